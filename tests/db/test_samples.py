"""Samples follow from the reviews, and an engineer's removal stays."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db import inspections, reviews, samples
from db.access import Actor, trusted
from db.audit import list_events
from db.defect_classes import add_class
from db.errors import Conflict, Forbidden, NotFound
from db.tables import (
    DatasetSnapshot,
    Decision,
    Inspection,
    ReviewQueue,
    Sample,
    SampleLabel,
    SampleSource,
    Side,
    SnapshotItem,
    Teaching,
    User,
)

if TYPE_CHECKING:
    from conftest import Plant, RowMaker
    from sqlalchemy.engine import Engine

ANNA = trusted("anna")
Flag = Callable[..., int]


@pytest.fixture
def flag(session: Session, make_row: RowMaker, plant: Plant) -> Flag:
    """Adds an inspection, REJECT with a picture unless told, and returns its id."""
    for name in ("crack", "hole"):
        add_class(session, plant.line, name, actor=ANNA)

    def add(verdict: str = "REJECT", **changes: Any) -> int:
        row = make_row(verdict=verdict, **{"image_key": "aa/aa.png", **changes})
        inspections.record(session, [row])
        session.commit()
        query = select(Inspection.id).where(Inspection.frame_id == row["frame_id"])
        return session.scalars(query.order_by(Inspection.id.desc())).first() or 0

    return add


def review(
    session: Session, inspection: int, decision: Decision, *, after: int | None = None, **more: Any
) -> int:
    made = reviews.add_review(session, inspection, decision, reviewer=ANNA, after=after, **more)
    samples.refresh(session, inspection)
    session.commit()
    return made.id


def undo(session: Session, review_id: int, inspection: int) -> None:
    reviews.undo(session, review_id, reviewer=ANNA)
    samples.refresh(session, inspection)
    session.commit()


def only(session: Session) -> Sample | None:
    """The one sample there is, as stored; None: there is none."""
    return session.scalars(select(Sample).execution_options(populate_existing=True)).one_or_none()


def named_by_a_snapshot(session: Session, sample: Sample) -> None:
    snapshot = DatasetSnapshot(line_id=sample.line_id, created_by="test", sha256="0" * 64)
    session.add(snapshot)
    session.flush()
    session.add(
        SnapshotItem(
            snapshot_id=snapshot.id,
            sample_id=sample.id,
            use="anomaly",
            label=sample.label,
            image_key=sample.image_key,
        )
    )
    session.commit()


def add_defect(session: Session, plant: Plant, **changes: Any) -> Sample:
    values: dict[str, Any] = {
        "line_id": plant.line_id,
        "frame_id": uuid7(),
        "source": SampleSource.IMPORT,
        "label": SampleLabel.DEFECT,
        "image_key": "aa/aa.png",
        "defect_class": "crack",
        "signature": b"s",
        "side": Side.TRAINING,
    }
    sample = samples.add(session, **{**values, **changes})
    session.commit()
    return sample


def test_a_confirmed_defect_becomes_a_sample_with_all_that_was_said(
    session: Session, flag: Flag, plant: Plant
) -> None:
    inspection = flag(part_id="p7", lot_id="monday")

    review_id = review(session, inspection, Decision.DEFECT, defect_class="crack", mask_key="m")

    sample = only(session)
    assert sample is not None
    assert (sample.label, sample.defect_class, sample.mask_key) == ("defect", "crack", "m")
    assert (sample.line_id, sample.inspection_id, sample.review_id) == (
        plant.line_id,
        inspection,
        review_id,
    )
    assert (sample.source, sample.part_id, sample.lot_id) == ("review", "p7", "monday")
    assert (sample.image_key, sample.side, sample.signature) == ("aa/aa.png", None, None)


@pytest.mark.parametrize("verdict", ["REJECT", "REVIEW", "PASS"])
def test_a_part_confirmed_as_good_becomes_one_whether_flagged_or_audited(
    session: Session, flag: Flag, verdict: str
) -> None:
    inspection = flag(verdict, audit_probability=0.5 if verdict == "PASS" else None)

    review(session, inspection, Decision.GOOD)

    sample = only(session)
    assert sample is not None
    assert (sample.label, sample.defect_class) == ("good", None)


@pytest.mark.parametrize("decision", [Decision.UNSURE, Decision.DISMISSED])
def test_what_is_not_confirmed_is_no_sample(
    session: Session, flag: Flag, decision: Decision
) -> None:
    review(session, flag(), decision)

    assert only(session) is None


def test_without_its_picture_a_frame_is_no_sample(session: Session, flag: Flag) -> None:
    review(session, flag(image_key=None), Decision.GOOD)

    assert only(session) is None


def test_where_two_must_agree_one_word_is_not_enough(
    session: Session, flag: Flag, plant: Plant
) -> None:
    plant.line.needs_second_opinion = True
    session.commit()
    inspection = flag()

    first = review(session, inspection, Decision.DEFECT, defect_class="crack")
    assert only(session) is None

    row = session.get_one(Inspection, inspection)
    assert row.queue == ReviewQueue.SECOND_OPINION
    reviews.add_review(
        session, inspection, Decision.DEFECT, reviewer=trusted("ben"), after=first,
        defect_class="crack",
    )  # fmt: skip
    samples.refresh(session, inspection)
    session.commit()
    assert only(session) is not None


def test_undo_takes_the_sample_away(session: Session, flag: Flag) -> None:
    inspection = flag()
    review_id = review(session, inspection, Decision.GOOD)

    undo(session, review_id, inspection)

    assert only(session) is None


def test_a_sample_that_a_snapshot_names_stays_as_removed_and_comes_back_with_its_label(
    session: Session, flag: Flag
) -> None:
    inspection = flag()
    review_id = review(session, inspection, Decision.GOOD)
    sample = only(session)
    assert sample is not None
    sample.side = Side.GOLDEN.value
    named_by_a_snapshot(session, sample)

    undo(session, review_id, inspection)

    assert sample.removed_at is not None
    assert (sample.removed_by, sample.removed_reason) == ("linewatch", samples.TAKEN_BACK)
    with pytest.raises(Conflict, match="review the part again"):
        samples.restore(session, sample.id, actor=ANNA, reason="mine")

    review(session, inspection, Decision.DEFECT, defect_class="hole")

    assert (sample.removed_at, sample.label, sample.defect_class) == (None, "defect", "hole")
    assert sample.side == Side.GOLDEN


def test_another_label_changes_the_sample_and_leaves_its_side(session: Session, flag: Flag) -> None:
    inspection = flag()
    first = review(session, inspection, Decision.DEFECT, defect_class="crack", mask_key="m")
    sample = only(session)
    assert sample is not None
    sample.side, sample.signature = Side.TRAINING.value, b"s"
    session.commit()

    second = review(session, inspection, Decision.GOOD, after=first)

    assert (sample.label, sample.defect_class, sample.mask_key) == ("good", None, None)
    assert (sample.review_id, sample.side, sample.signature) == (second, "training", b"s")

    undo(session, second, inspection)

    assert (sample.label, sample.defect_class, sample.mask_key) == ("defect", "crack", "m")
    assert sample.review_id == first


def test_an_engineers_removal_outlives_another_review(session: Session, flag: Flag) -> None:
    inspection = flag()
    first = review(session, inspection, Decision.DEFECT, defect_class="crack")
    sample = only(session)
    assert sample is not None
    samples.remove(session, sample.id, actor=ANNA, reason="blurred")
    session.commit()

    review(session, inspection, Decision.DEFECT, after=first, defect_class="hole")

    assert (sample.defect_class, sample.removed_reason) == ("hole", "blurred")


def test_the_latest_word_on_a_frame_counts_under_whichever_version_it_was_given(
    session: Session, flag: Flag, plant: Plant
) -> None:
    frame_id = uuid7()
    flagged = flag(frame_id=frame_id)
    uninspected = flag("UNINSPECTED", frame_id=frame_id, image_key="aa/aa.png")
    assert flagged != uninspected
    review(session, flagged, Decision.DEFECT, defect_class="crack")

    second = review(session, uninspected, Decision.GOOD)
    sample = only(session)
    assert sample is not None
    assert (sample.label, sample.inspection_id) == ("good", uninspected)

    undo(session, second, uninspected)
    assert (sample.label, sample.inspection_id) == ("defect", flagged)


def test_a_reviewed_frame_of_a_teaching_is_one_of_the_teaching_again_after_undo(
    session: Session, flag: Flag, plant: Plant
) -> None:
    teaching = Teaching(
        line_id=plant.line_id, frames_wanted=10, detector="patchcore", started_by="anna"
    )
    session.add(teaching)
    session.flush()
    frame_id = uuid7()
    samples.add(
        session,
        line_id=plant.line_id,
        frame_id=frame_id,
        source=SampleSource.TEACHING,
        label=SampleLabel.GOOD,
        image_key="bb/bb.png",
        teaching_id=teaching.id,
    )
    inspection = flag(frame_id=frame_id, image_key=None)
    sample = only(session)
    assert sample is not None

    review_id = review(session, inspection, Decision.DEFECT, defect_class="crack")
    assert (sample.label, sample.source, sample.image_key) == ("defect", "review", "bb/bb.png")

    undo(session, review_id, inspection)
    assert (sample.label, sample.source, sample.defect_class) == ("good", "teaching", None)


def test_adding_a_frame_twice_leaves_it_as_it_is(session: Session, plant: Plant) -> None:
    frame_id = uuid7()
    first = add_defect(session, plant, frame_id=frame_id)

    again = add_defect(session, plant, frame_id=frame_id, label=SampleLabel.GOOD)

    assert again.id == first.id
    assert again.label == "defect"


def test_removing_and_restoring_say_who_and_why(session: Session, plant: Plant) -> None:
    sample = add_defect(session, plant)

    samples.remove(session, sample.id, actor=ANNA, reason="  out of \n focus ")
    session.commit()
    assert (sample.removed_by, sample.removed_reason) == ("anna", "out of focus")
    with pytest.raises(Conflict, match=r"removed already by anna: out of focus"):
        samples.remove(session, sample.id, actor=ANNA, reason="again")

    samples.restore(session, sample.id, actor=ANNA, reason="sharp enough")
    session.commit()
    assert sample.removed_at is None
    with pytest.raises(Conflict, match="not removed"):
        samples.restore(session, sample.id, actor=ANNA, reason="again")

    restored, removed = list_events(session, limit=2)
    assert (restored.action, restored.subject) == ("sample.restored", "line:press")
    assert restored.details["reason"] == "sharp enough"
    assert (removed.action, removed.actor) == ("sample.removed", "anna")
    assert removed.details["sample"] == sample.id


def test_only_engineers_remove_and_restore(session: Session, plant: Plant) -> None:
    sample = add_defect(session, plant)
    session.add(User(name="olga", role="operator"))
    session.commit()

    for change in (samples.remove, samples.restore):
        with pytest.raises(Forbidden, match="engineer"):
            change(session, sample.id, actor=Actor("olga"), reason="why not")


@pytest.mark.parametrize(("reason", "says"), [("  ", "say why"), ("x" * 501, "at most 500")])
def test_a_reason_must_be_given_and_fit(
    session: Session, plant: Plant, reason: str, says: str
) -> None:
    sample = add_defect(session, plant)

    with pytest.raises(ValueError, match=says):
        samples.remove(session, sample.id, actor=ANNA, reason=reason)


def test_a_sample_that_does_not_exist_is_named(session: Session, plant: Plant) -> None:
    with pytest.raises(NotFound, match="77"):
        samples.remove(session, 77, actor=ANNA, reason="why")


def test_the_earliest_copy_takes_the_place_of_a_removed_sample(
    session: Session, plant: Plant
) -> None:
    first = add_defect(session, plant)
    second, third = add_defect(session, plant), add_defect(session, plant)
    second.duplicate_of_id = third.duplicate_of_id = first.id
    session.commit()

    samples.remove(session, first.id, actor=ANNA, reason="wrong part")
    session.commit()

    session.expire_all()
    assert (second.duplicate_of_id, third.duplicate_of_id) == (None, second.id)


def test_two_removals_at_once_are_one(engine: Engine, session: Session, plant: Plant) -> None:
    sample_id = add_defect(session, plant).id

    def remove(name: str) -> str:
        with Session(engine) as own, own.begin():
            try:
                samples.remove(own, sample_id, actor=trusted(name), reason=f"says {name}")
            except Conflict:
                return "refused"
            return "done"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(remove, ["anna", "ben"]))

    assert outcomes == ["done", "refused"]
