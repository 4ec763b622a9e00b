"""A line's recent scores: bounded, of one model version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from db import inspections
from db.access import trusted
from db.model_versions import add_model_version
from db.recent_scores import recent_scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Plant, RowMaker
    from sqlalchemy.orm import Session

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_the_last_scores_of_each_camera_are_read_and_no_other_versions(
    session: Session, plant: Plant, add_plant: Callable[..., Plant], make_row: RowMaker
) -> None:
    second = add_model_version(
        session,
        plant.line,
        artifact_path="/models/2",
        manifest={
            "detector": "bgad",
            "backbone": "tf_efficientnet_lite0",
            "thresholds": {"review": 10.0, "reject": 20.0},
        },
        manifest_sha256="1" * 64,
        actor=trusted("test"),
    )
    other = add_plant("saw", ["top"])
    rows = []
    for number in range(5):
        at = NOON + timedelta(seconds=number)
        rows += [
            make_row("left", score=0.1 * number, recorded_at=at),
            make_row("right", score=1.0 + number, recorded_at=at),
        ]
    later = NOON + timedelta(minutes=1)
    rows.append(make_row("left", score=11.0, model_version_id=second.id, recorded_at=later))
    rows.append(make_row("right", "UNINSPECTED", recorded_at=later))
    rows.append(
        make_row(
            score=7.0,
            line_id=other.line_id,
            camera_id=other.cameras["top"],
            model_version_id=other.version_id,
        )
    )
    inspections.record(session, rows)

    # Three frames a camera: of the left one the newest is the second model's, of the right one
    # the newest has no score.
    assert sorted(recent_scores(session, plant.line_id, 1, limit=6)) == [0.1 * 3, 0.1 * 4, 4.0, 5.0]
    assert recent_scores(session, plant.line_id, 2, limit=6) == [11.0]
    assert recent_scores(session, plant.line_id, 3) == []
    assert len(recent_scores(session, plant.line_id, 1)) == 10
