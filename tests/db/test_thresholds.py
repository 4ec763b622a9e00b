"""Thresholds: setting them, their history, and the scores they are chosen by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from db import audit, inspections, thresholds
from db.access import Actor, trusted
from db.errors import Conflict, Forbidden
from db.model_versions import add_model_version, retire
from db.tables import (
    Inspection,
    ModelVersion,
    Review,
    Role,
    ShadowVerdict,
    ThresholdChange,
)
from db.users import add_user
from tests.db.conftest import plan, settle

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.db.conftest import Plant, RowMaker

ANNA = trusted("anna")
MANIFEST = {
    "detector": "patchcore",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": {"review": 1.0, "reject": 2.0},
}


@pytest.fixture
def version(session: Session, plant: Plant) -> ModelVersion:
    """The active version: review from 1, reject from 2."""
    return session.get_one(ModelVersion, plant.version_id)


def inspect(session: Session, row: dict[str, object]) -> int:
    """Record an inspection; its id."""
    inspections.record(session, [row])
    query = select(Inspection.id).where(Inspection.frame_id == row["frame_id"])
    return session.scalars(query).one()


def judge(session: Session, inspection_id: int, decision: str, queue: str | None = None) -> Review:
    """A review as db.reviews leaves it behind."""
    inspection = session.get_one(Inspection, inspection_id)
    inspection.queue = queue
    review = Review(
        inspection_id=inspection_id,
        camera_id=inspection.camera_id,
        reviewer="otto",
        decision=decision,
    )
    session.add(review)
    session.flush()
    settle(session, inspection_id)
    return review


def test_thresholds_are_set_with_who_when_and_why(session: Session, version: ModelVersion) -> None:
    thresholds.set_thresholds(session, version, 1.5, 2.5, actor=ANNA, reason=" too many alarms ")
    thresholds.set_thresholds(session, version, 1.5, 2.5, actor=ANNA, reason="the same again")
    thresholds.set_thresholds(session, version, 1.5, 3.0, actor=trusted("bert"))
    session.commit()

    assert (version.review_threshold, version.reject_threshold) == (1.5, 3.0)
    newest, first = thresholds.threshold_history(session, version)
    assert (newest.changed_by, newest.former_reject_threshold, newest.reason) == ("bert", 2.5, "")
    assert (first.former_review_threshold, first.former_reject_threshold) == (1.0, 2.0)
    assert (first.review_threshold, first.reject_threshold) == (1.5, 2.5)
    assert first.reason == "too many alarms"
    event = audit.list_events(session)[1]
    assert (event.action, event.subject) == ("thresholds.changed", "line:press")
    assert event.details["former"] == {"review": 1.0, "reject": 2.0}
    assert event.details["now"] == {"review": 1.5, "reject": 2.5}


@pytest.mark.parametrize(
    ("review", "reject"), [(2.0, 1.0), (float("nan"), 1.0), (1.0, float("inf"))]
)
def test_thresholds_out_of_order_are_refused(
    session: Session, version: ModelVersion, review: float, reject: float
) -> None:
    with pytest.raises(ValueError, match="must be finite, the first at most the second"):
        thresholds.set_thresholds(session, version, review, reject, actor=ANNA)

    assert session.scalar(select(ThresholdChange)) is None


def test_a_reason_has_a_length(session: Session, version: ModelVersion) -> None:
    with pytest.raises(ValueError, match="501 characters: say it in at most 500"):
        thresholds.set_thresholds(session, version, 1, 2, actor=ANNA, reason="x" * 501)


def test_a_retired_version_keeps_its_thresholds(
    session: Session, plant: Plant, version: ModelVersion
) -> None:
    other = _another(session, plant)
    retire(session, plant.line, other.number, actor=ANNA)

    with pytest.raises(Conflict, match="model version 2 is retired since"):
        thresholds.set_thresholds(session, other, 1.5, 2.5, actor=ANNA)


def test_operators_may_not_set_thresholds(session: Session, version: ModelVersion) -> None:
    add_user(session, "otto", Role.OPERATOR, actor=ANNA)

    with pytest.raises(Forbidden, match="needs an engineer"):
        thresholds.set_thresholds(session, version, 1.5, 2.5, actor=Actor("otto"))


def test_a_version_without_frames_has_no_scores(session: Session, version: ModelVersion) -> None:
    assert thresholds.score_sample(session, version) == thresholds.ScoreSample()


def test_judged_parts_stand_for_those_they_were_drawn_from(
    session: Session, version: ModelVersion, make_row: RowMaker
) -> None:
    rejected = [make_row(verdict="REJECT", score=2.0 + i) for i in range(4)]
    audited = [make_row(score=0.1 * i, audit_probability=0.25) for i in range(3)]
    passed = make_row(score=0.9)
    ids = [inspect(session, row) for row in (*rejected, *audited, passed)]
    judge(session, ids[0], "good")
    judge(session, ids[1], "defect")
    judge(session, ids[2], "unsure", queue="second_opinion")
    judge(session, ids[4], "good")
    judge(session, ids[5], "dismissed")
    session.commit()

    sample = thresholds.score_sample(session, version)

    # Four rejected, two of them judged: two each. Three audited at 1/4, one judged: 3 * 4.
    assert sorted((p.score, p.is_defective, p.weight, p.is_audited) for p in sample.judged) == [
        (0.0, False, 12.0, True),
        (2.0, False, 2.0, False),
        (3.0, True, 2.0, False),
    ]
    assert sorted(sample.recent) == [0.0, 0.1, 0.2, 0.9, 2.0, 3.0, 4.0, 5.0]


def test_the_newest_word_not_undone_counts(
    session: Session, version: ModelVersion, make_row: RowMaker
) -> None:
    first, second, third = (
        inspect(session, make_row(verdict="REJECT", score=float(score))) for score in (2, 3, 4)
    )
    judge(session, first, "defect")
    judge(session, first, "good")
    taken_back = judge(session, second, "good")
    session.add(
        Review(
            inspection_id=second,
            camera_id=taken_back.camera_id,
            reviewer="otto",
            decision="undo",
            undoes_id=taken_back.id,
        )
    )
    judge(session, second, "defect")
    judge(session, third, "defect")
    judge(session, third, "good", queue="disagreement")
    session.commit()

    sample = thresholds.score_sample(session, version)

    assert {part.score: part.is_defective for part in sample.judged} == {2.0: False, 3.0: True}


def test_other_versions_and_lines_do_not_count(
    session: Session, plant: Plant, version: ModelVersion, make_row: RowMaker
) -> None:
    other = _another(session, plant)
    judged = inspect(session, make_row(verdict="REJECT", score=2.0, model_version_id=other.id))
    judge(session, judged, "good")
    session.commit()

    assert thresholds.score_sample(session, version) == thresholds.ScoreSample()
    assert thresholds.score_sample(session, other).recent == (2.0,)


def test_reviews_of_other_versions_take_no_place(
    session: Session,
    plant: Plant,
    version: ModelVersion,
    make_row: RowMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thresholds, "MAX_JUDGED", 1)
    busier = _another(session, plant)
    for model in (version, busier):
        row = make_row(verdict="REJECT", score=2.0, model_version_id=model.id)
        judge(session, inspect(session, row), "good")
    session.commit()

    assert len(thresholds.score_sample(session, version).judged) == 1


def test_parts_are_found_by_the_index_of_their_version(
    session: Session, version: ModelVersion, statements: list[tuple[str, Any]]
) -> None:
    thresholds.score_sample(session, version)

    of_version = next(each for each in statements if "audit_probability IS NOT NULL" in each[0])
    found = plan(session, *of_version)
    index = "ix_inspections_model_version_id_id_asked (model_version_id=?)"
    assert found == f"SEARCH inspections USING INDEX {index}"


def test_a_candidate_has_its_scores_from_the_shadow(
    session: Session, plant: Plant, version: ModelVersion, make_row: RowMaker
) -> None:
    candidate = _another(session, plant)
    rows = [
        make_row(verdict="REJECT", score=2.5),
        make_row(verdict="REVIEW", score=1.5),
        make_row(score=0.5, audit_probability=0.5),
        make_row(score=0.6),
    ]
    ids = [inspect(session, row) for row in rows]
    for number, row in enumerate(rows):
        session.add(
            ShadowVerdict(
                frame_id=row["frame_id"],
                model_version_id=candidate.id,
                score=10.0 + number,
                score_ms=1.0,
                verdict="PASS",
                champion_verdict=row["verdict"],
            )
        )
    judge(session, ids[0], "defect")
    judge(session, ids[2], "good")
    session.commit()

    sample = thresholds.score_sample(session, candidate)

    assert sample.recent == (13.0, 12.0, 11.0, 10.0)
    # The one with REVIEW waits: nobody has said anything of its kind.
    assert sorted((p.score, p.is_defective, p.weight, p.is_audited) for p in sample.judged) == [
        (10.0, True, 1.0, False),
        (12.0, False, 2.0, True),
    ]


def test_recent_scores_are_bounded_and_come_from_every_camera(
    session: Session, version: ModelVersion, make_row: RowMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "MAX_RECENT", 4)
    for camera in ("left", "right"):
        rows = [make_row(camera, score=float(score)) for score in range(5)]
        inspections.record(session, rows)

    assert len(thresholds.score_sample(session, version).recent) == 4


def _another(session: Session, plant: Plant) -> ModelVersion:
    return add_model_version(
        session,
        plant.line,
        artifact_path="/models/2",
        manifest=MANIFEST,
        manifest_sha256="1" * 64,
        actor=ANNA,
    )
