"""The scores that drift is seen by: those a version began with, and its latest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from db.access import trusted
from db.active_scores import LOOK_THROUGH, active_since, pass_scores
from db.inspections import record
from db.lines import add_line
from db.model_versions import activate, add_model_version
from db.tables import ModelVersion, ThresholdChange
from db.thresholds import set_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from db.tables import Line
    from tests.db.conftest import Plant

ANNA = trusted("anna")
MANIFEST = {"detector": "bgad", "backbone": "b", "thresholds": {"review": 1.0, "reject": 2.0}}


def see(
    session: Session,
    line: Line,
    make_row: Callable[..., dict[str, Any]],
    scores: list[float],
    *,
    after_s: float = 0.0,
    **changes: Any,
) -> None:
    """Frames a second apart, from `after_s` after the activation on."""
    since = active_since(session, line)
    assert since is not None
    record(
        session,
        [
            make_row(score=score, recorded_at=since + timedelta(seconds=after_s + place), **changes)
            for place, score in enumerate(scores)
        ],
    )


def test_the_first_and_the_latest_of_each_camera_are_put_together(
    session: Session, plant: Plant, make_row: Callable[..., dict[str, Any]]
) -> None:
    see(session, plant.line, make_row, [0.1, 0.2, 0.3, 0.4, 0.5])
    see(session, plant.line, make_row, [1.1, 1.2, 1.3, 1.4], camera="right")

    first, latest = pass_scores(session, plant.line, window=2)

    assert sorted(first) == [0.1, 0.2, 1.1, 1.2]
    assert sorted(latest) == [0.4, 0.5, 1.3, 1.4]


def test_a_camera_whose_windows_would_overlap_is_left_out(
    session: Session, plant: Plant, make_row: Callable[..., dict[str, Any]]
) -> None:
    see(session, plant.line, make_row, [0.1, 0.2, 0.3])

    assert pass_scores(session, plant.line, window=2) == ([], [])


def test_flagged_frames_and_those_of_other_versions_do_not_count(
    session: Session, plant: Plant, make_row: Callable[..., dict[str, Any]]
) -> None:
    other = add_model_version(
        session, plant.line, artifact_path="/2", manifest=MANIFEST, manifest_sha256="1" * 64,
        actor=ANNA,
    )  # fmt: skip
    see(session, plant.line, make_row, [9.0], model_version_id=other.id)
    see(session, plant.line, make_row, [8.0], verdict="REJECT", after_s=0.5)
    see(session, plant.line, make_row, [0.1, 0.2, 0.3, 0.4], after_s=1)
    see(session, plant.line, make_row, [7.0], after_s=-60)  # before it was activated

    assert pass_scores(session, plant.line, window=2) == ([0.1, 0.2], [0.4, 0.3])


def test_only_a_bounded_stretch_is_looked_through(
    session: Session, plant: Plant, make_row: Callable[..., dict[str, Any]]
) -> None:
    other = add_model_version(
        session, plant.line, artifact_path="/2", manifest=MANIFEST, manifest_sha256="1" * 64,
        actor=ANNA,
    )  # fmt: skip
    see(session, plant.line, make_row, [9.0] * LOOK_THROUGH * 2, model_version_id=other.id)
    see(session, plant.line, make_row, [0.1, 0.2, 0.3, 0.4], after_s=100)

    assert pass_scores(session, plant.line, window=2) == ([], [])


def test_it_begins_anew_with_every_activation(session: Session, plant: Plant) -> None:
    add_model_version(
        session, plant.line, artifact_path="/2", manifest=MANIFEST, manifest_sha256="1" * 64,
        actor=ANNA,
    )  # fmt: skip
    first = active_since(session, plant.line)
    activate(session, plant.line, 2, actor=ANNA)
    session.commit()
    second = active_since(session, plant.line)
    empty = add_line(session, "empty", actor=ANNA)

    assert first is not None
    assert second is not None
    assert second > first
    assert active_since(session, empty) is None
    assert pass_scores(session, empty, window=2) == ([], [])


def test_after_a_change_of_thresholds_the_windows_begin_anew(
    session: Session, plant: Plant, make_row: Callable[..., dict[str, Any]]
) -> None:
    """Scores that pass no longer would look like drift."""
    version = session.get_one(ModelVersion, plant.version_id)
    see(session, plant.line, make_row, [0.9, 0.8, 0.9, 0.8])
    set_thresholds(session, version, 0.5, 2.0, actor=ANNA)
    change = session.scalars(select(ThresholdChange)).one()
    change.changed_at += timedelta(minutes=1)

    assert pass_scores(session, plant.line, window=2) == ([], [])

    see(session, plant.line, make_row, [0.1, 0.2, 0.3, 0.4], after_s=3600)

    assert pass_scores(session, plant.line, window=2) == ([0.1, 0.2], [0.4, 0.3])
