"""The shadow: counted, summed up once, and followed by the line's policy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db.access import trusted
from db.errors import NotFound
from db.inspections import record as record_inspections
from db.model_versions import add_model_version
from db.shadow import (
    count_frames,
    end,
    finish_if_due,
    record,
    start,
    summarize,
    why_implausible,
)
from db.tables import Line, ModelVersion, Promotion, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from tests.db.conftest import Plant

ANNA = trusted("anna")
MANIFEST = {"detector": "bgad", "backbone": "b", "thresholds": {"review": 1.0, "reject": 2.0}}


@pytest.fixture
def candidate(session: Session, plant: Plant) -> ModelVersion:
    """One that passed its gate, in the shadow for ten frames."""
    plant.line.shadow_frames = 10
    made = add_model_version(
        session,
        plant.line,
        artifact_path="/models/2",
        manifest=MANIFEST,
        manifest_sha256="1" * 64,
        actor=ANNA,
        gate={"champion": {"number": 1}},
        has_passed_gate=True,
    )
    start(session, plant.line, made)
    session.commit()
    return made


@pytest.fixture
def see(
    session: Session, plant: Plant, candidate: ModelVersion, make_row: Callable[..., dict[str, Any]]
) -> Callable[..., None]:
    """Lets champion and candidate see a frame with these verdicts."""

    def add(champion: str, said: str, times: int = 1) -> None:
        rows = [make_row(verdict=champion) for _ in range(times)]
        record_inspections(session, rows)
        record(
            session,
            [
                {
                    "frame_id": row["frame_id"],
                    "model_version_id": candidate.id,
                    "score": 1.5,
                    "score_ms": 3.0,
                    "verdict": said,
                    "champion_verdict": champion,
                    "recorded_at": utc_now(),
                }
                for row in rows
            ],
        )
        session.commit()

    return add


def test_agreement_is_on_flagged_or_passed(
    session: Session, candidate: ModelVersion, see: Callable[..., None]
) -> None:
    see("PASS", "PASS", 6)
    see("REVIEW", "REJECT", 2)
    see("PASS", "REVIEW")
    see("REJECT", "PASS")

    result = summarize(session, candidate.id)

    assert result == {
        "frames": 10,
        "agreement": 0.8,
        "candidate_only": 1,
        "champion_only": 1,
        "candidate": {"flag_rate": 0.3, "score_ms": 3.0},
        # As the workers wrote it with the inspections.
        "champion": {"flag_rate": 0.3, "score_ms": 1.5},
        "ended": None,
    }


def test_the_same_frame_counts_once(session: Session, candidate: ModelVersion) -> None:
    row = {
        "frame_id": uuid7(),
        "model_version_id": candidate.id,
        "score": 1.5,
        "score_ms": 3.0,
        "verdict": "REVIEW",
        "champion_verdict": "PASS",
        "recorded_at": utc_now(),
    }

    record(session, [row])
    record(session, [row | {"verdict": "PASS"}])
    record(session, [])

    assert count_frames(session, candidate.id) == 1


def test_it_ends_with_enough_frames_and_waits_for_a_person(
    session: Session, plant: Plant, candidate: ModelVersion, see: Callable[..., None]
) -> None:
    see("PASS", "PASS", 9)
    assert finish_if_due(session, plant.line_id, candidate.id) is None

    see("PASS", "PASS")
    result = finish_if_due(session, plant.line_id, candidate.id)

    session.refresh(plant.line)
    assert result is not None
    assert candidate.shadow == result
    assert plant.line.shadow_model_version_id is None
    assert plant.line.active_model_version_id == plant.version_id


def test_two_workers_that_finish_at_once_finish_once(
    engine: Engine,
    session: Session,
    plant: Plant,
    candidate: ModelVersion,
    see: Callable[..., None],
) -> None:
    see("PASS", "PASS", 10)
    line_id, candidate_id = plant.line_id, candidate.id

    def finish(_: int) -> bool:
        with Session(engine) as own, own.begin():
            return finish_if_due(own, line_id, candidate_id) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(finish, range(8))) == 1


def test_the_policy_promotes_a_plausible_candidate(
    session: Session, plant: Plant, candidate: ModelVersion, see: Callable[..., None]
) -> None:
    plant.line.promotion = Promotion.AUTOMATIC.value
    see("PASS", "PASS", 9)
    see("REVIEW", "REVIEW")

    finish_if_due(session, plant.line_id, candidate.id)

    session.refresh(plant.line)
    assert plant.line.active_model_version_id == candidate.id


def test_the_policy_leaves_one_that_flags_far_more_to_a_person(
    session: Session, plant: Plant, candidate: ModelVersion, see: Callable[..., None]
) -> None:
    plant.line.promotion = Promotion.AUTOMATIC.value
    see("PASS", "PASS", 9)
    see("PASS", "REVIEW")

    finish_if_due(session, plant.line_id, candidate.id)

    session.refresh(plant.line)
    assert plant.line.active_model_version_id == plant.version_id
    assert candidate.shadow is not None
    # 10 % against 0 %: the rule allows twice that and two points more.
    assert "it flagged 10.0% of 10 live frames" in candidate.shadow["not_promoted"]
    assert candidate.shadow["ended"] is None


@pytest.mark.parametrize(
    ("candidate", "champion", "is_plausible"),
    [
        (0.02, 0.0, True),
        (0.021, 0.0, False),
        (0.12, 0.05, True),
        (0.121, 0.05, False),
        (0, 1, True),
    ],
)
def test_the_rule_of_the_policy(candidate: float, champion: float, is_plausible: bool) -> None:
    result = {
        "frames": 200,
        "candidate": {"flag_rate": candidate},
        "champion": {"flag_rate": champion},
    }

    assert (why_implausible(result) is None) is is_plausible


def test_an_error_ends_it_once_with_its_reason(
    session: Session, plant: Plant, candidate: ModelVersion, see: Callable[..., None]
) -> None:
    see("PASS", "PASS", 3)

    assert end(session, plant.line_id, candidate.id, "it failed: boom") is True
    assert end(session, plant.line_id, candidate.id, "it failed again") is False

    assert candidate.shadow == {"ended": "it failed: boom", "frames": 3}
    assert finish_if_due(session, plant.line_id, candidate.id) is None


def test_a_newer_candidate_takes_its_place(
    session: Session, plant: Plant, candidate: ModelVersion
) -> None:
    newer = add_model_version(
        session,
        plant.line,
        artifact_path="/models/3",
        manifest=MANIFEST,
        manifest_sha256="2" * 64,
        actor=ANNA,
    )

    start(session, plant.line, newer)

    assert session.get_one(Line, plant.line_id).shadow_model_version_id == newer.id
    assert candidate.shadow == {"ended": "version 3 took its place"}


def test_one_that_has_seen_nothing_has_no_result(session: Session, candidate: ModelVersion) -> None:
    with pytest.raises(NotFound, match="seen no frame"):
        summarize(session, candidate.id)
