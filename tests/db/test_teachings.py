"""Teaching a line: collecting, looking over, and what follows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db import audit, retrainings, samples, teachings
from db.access import Actor, trusted
from db.errors import Conflict, Forbidden, NotFound
from db.lines import add_line
from db.tables import Retraining, Role, Sample, Teaching
from db.users import add_user
from models.detector import detector_names

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Engine

    from db.tables import Line

ANNA = trusted("anna")


@pytest.fixture
def line(session: Session) -> Line:
    made = add_line(session, "press", actor=ANNA)
    session.commit()
    return made


@pytest.fixture
def teaching(session: Session, line: Line) -> Teaching:
    """Fifteen frames of the camera `left` are wanted; none is there."""
    made = teachings.start_teaching(
        session, line, frames=15, camera="left", detector="patchcore", actor=ANNA
    )
    session.commit()
    return made


def add(session: Session, teaching: Teaching, frame_id: UUID | None = None) -> bool:
    return teachings.add_frame(
        session,
        teaching,
        frame_id=frame_id or uuid7(),
        image_key="ab/cd.png",
        part_id="part-1",
        lot_id="lot-1",
    )


def fill(session: Session, teaching: Teaching, count: int = 15) -> list[int]:
    """Add frames; their samples' ids."""
    for _ in range(count):
        add(session, teaching)
    session.commit()
    return [sample.id for sample in teachings.frames(session, teaching.id)]


def test_the_detectors_are_those_there_are() -> None:
    assert list(teachings.DETECTORS) == detector_names()


def test_a_teaching_collects_until_it_has_the_frames_wanted(
    session: Session, line: Line, teaching: Teaching
) -> None:
    assert teachings.collecting(session, line.id) is teaching

    added = [add(session, teaching) for _ in range(16)]
    session.commit()

    assert added == [True] * 15 + [False]
    assert (teaching.state, teaching.frames_collected) == ("looking_over", 15)
    assert teachings.collecting(session, line.id) is None
    assert teachings.open_teaching(session, line.id) is teaching
    sample = teachings.frames(session, teaching.id)[0]
    assert (sample.source, sample.label, sample.side) == ("teaching", "good", None)
    assert (sample.part_id, sample.lot_id, sample.inspection_id) == ("part-1", "lot-1", None)


def test_a_frame_delivered_again_counts_once(session: Session, teaching: Teaching) -> None:
    frame_id = uuid7()

    assert add(session, teaching, frame_id)
    assert add(session, teaching, frame_id)
    assert teaching.frames_collected == 1

    fill(session, teaching, 14)
    assert add(session, teaching, frame_id), "it is in the collection, full or not"
    assert teachings.count_frames(session, teaching.id) == teachings.Collection(15, 0)


def test_a_frame_that_was_labelled_before_is_not_taken(
    session: Session, teaching: Teaching
) -> None:
    sample = Sample(
        line_id=teaching.line_id,
        frame_id=uuid7(),
        source="review",
        label="defect",
        image_key="ab/cd.png",
    )
    session.add(sample)
    session.flush()

    assert not add(session, teaching, sample.frame_id)

    assert (teaching.frames_collected, sample.label) == (0, "defect")


def test_workers_that_add_frames_at_once_collect_exactly_those_wanted(
    engine: Engine, session: Session, teaching: Teaching
) -> None:
    teaching_id = teaching.id

    def work(_worker: int) -> int:
        kept = 0
        for _ in range(6):
            with Session(engine) as own, own.begin():
                kept += add(own, own.get_one(Teaching, teaching_id))
        return kept

    with ThreadPoolExecutor(4) as workers:
        kept = list(workers.map(work, range(4)))

    session.expire_all()
    assert sum(kept) == 15
    assert (teaching.frames_collected, teaching.state) == (15, "looking_over")
    assert teachings.count_frames(session, teaching_id).kept == 15


@pytest.mark.parametrize("frames", [11, 5001])
def test_the_number_of_frames_has_limits(session: Session, line: Line, frames: int) -> None:
    with pytest.raises(ValueError, match="collect 12 to 5000"):
        teachings.start_teaching(session, line, frames=frames, detector="bgad", actor=ANNA)


def test_an_unknown_detector_is_refused_with_those_there_are(session: Session, line: Line) -> None:
    with pytest.raises(ValueError, match=r"no detector 'yolo': choose one of bgad, cutpaste"):
        teachings.start_teaching(session, line, frames=12, detector="yolo", actor=ANNA)


def test_a_line_is_taught_once_at_a_time(session: Session, line: Line, teaching: Teaching) -> None:
    with pytest.raises(Conflict, match=r"being taught since .* by anna: finish or cancel"):
        teachings.start_teaching(session, line, frames=12, detector="bgad", actor=ANNA)


def test_frames_are_thrown_out_and_taken_back(session: Session, teaching: Teaching) -> None:
    ids = fill(session, teaching)

    assert teachings.throw_out(session, ids[:3], actor=ANNA) == 3
    assert teachings.throw_out(session, ids[:4], actor=ANNA) == 1
    assert teachings.take_back(session, ids[:1], actor=ANNA) == 1
    session.commit()

    assert teachings.count_frames(session, teaching.id) == teachings.Collection(12, 3)
    session.expire_all()
    removed = [sample.removed_by for sample in teachings.frames(session, teaching.id, limit=5)]
    assert removed == [None, "anna", "anna", "anna", None]
    actions = [(event.action, event.details["sample"]) for event in audit.list_events(session)[:5]]
    assert actions == [
        ("sample.restored", ids[0]),
        ("sample.removed", ids[3]),
        ("sample.removed", ids[2]),
        ("sample.removed", ids[1]),
        ("sample.removed", ids[0]),
    ]


def test_what_no_teaching_collected_is_not_thrown_out(session: Session, teaching: Teaching) -> None:
    ids = fill(session, teaching)

    with pytest.raises(NotFound, match=r"no teaching collected the samples \[\d+\]"):
        teachings.throw_out(session, [ids[0], ids[-1] + 1], actor=ANNA)

    assert teachings.count_frames(session, teaching.id).thrown_out == 0


def test_finishing_asks_for_a_training_and_its_end_ends_the_teaching(
    session: Session, line: Line, teaching: Teaching
) -> None:
    ids = fill(session, teaching)
    teachings.throw_out(session, ids[:2], actor=ANNA)

    asked = teachings.finish(session, teaching, actor=ANNA)
    session.commit()

    assert teaching.state == "training"
    assert (asked.reason, asked.detector, asked.teaching_id) == (
        "teaching", "patchcore", teaching.id,
    )  # fmt: skip
    with pytest.raises(Conflict, match="'training', and this needs 'collecting or looking over'"):
        teachings.throw_out(session, ids, actor=ANNA)
    with pytest.raises(Conflict, match="cancel its training first"):
        teachings.cancel(session, teaching, actor=ANNA)

    teachings.training_ended(session, teaching.id, has_model=True)
    teachings.training_ended(session, teaching.id, has_model=False)  # too late: nothing happens

    assert teaching.state == "done"
    assert teachings.open_teaching(session, line.id) is None
    assert teachings.latest_teaching(session, line.id) is teaching


def test_after_a_training_without_a_model_the_frames_are_looked_over_again(
    session: Session, teaching: Teaching
) -> None:
    fill(session, teaching)
    asked = teachings.finish(session, teaching, actor=ANNA)

    retrainings.ask_to_cancel(session, asked.id, actor=ANNA)
    teachings.training_ended(session, teaching.id, has_model=False)

    assert teaching.state == "looking_over"
    assert teachings.finish(session, teaching, actor=ANNA).id != asked.id


def test_too_few_frames_are_not_trained_on(session: Session, teaching: Teaching) -> None:
    ids = fill(session, teaching)
    teachings.throw_out(session, ids[:4], actor=ANNA)

    with pytest.raises(Conflict, match="only 11 frames stay, and training needs at least 12"):
        teachings.finish(session, teaching, actor=ANNA)

    assert teaching.state == "looking_over"
    assert session.scalar(select(Retraining)) is None


def test_nothing_is_half_done_when_another_training_is_open(
    session: Session, line: Line, teaching: Teaching
) -> None:
    fill(session, teaching)
    retrainings.request(
        session, line, reason=retrainings.RetrainingReason.PERSON, actor=trusted("bert")
    )
    session.commit()

    with pytest.raises(Conflict, match="is under way"):
        teachings.finish(session, teaching, actor=ANNA)
    session.rollback()

    assert teaching.state == "looking_over"


def test_collecting_can_be_stopped_once_enough_are_there(
    session: Session, teaching: Teaching
) -> None:
    fill(session, teaching, 11)
    with pytest.raises(Conflict, match="only 11 frames are collected"):
        teachings.stop_collecting(session, teaching, actor=ANNA)
    add(session, teaching)

    teachings.stop_collecting(session, teaching, actor=ANNA)

    assert teaching.state == "looking_over"
    assert not add(session, teaching)


def test_a_cancelled_teachings_frames_are_never_used(
    session: Session, line: Line, teaching: Teaching
) -> None:
    fill(session, teaching, 4)

    teachings.cancel(session, teaching, actor=ANNA)
    session.commit()

    assert teaching.state == "cancelled"
    assert teachings.count_frames(session, teaching.id) == teachings.Collection(0, 4)
    assert not add(session, teaching)
    teachings.start_teaching(session, line, frames=12, detector="bgad", actor=ANNA)


def test_a_near_duplicate_takes_the_place_of_a_cancelled_teachings_frame(
    session: Session, teaching: Teaching
) -> None:
    ids = fill(session, teaching)
    other = Sample(
        line_id=teaching.line_id,
        frame_id=uuid7(),
        source="review",
        label="good",
        image_key="ab/cd.png",
        duplicate_of_id=ids[0],
    )
    session.add(other)
    session.commit()

    teachings.cancel(session, teaching, actor=ANNA)
    session.commit()

    assert other.duplicate_of_id is None
    assert teachings.count_frames(session, teaching.id).kept == 0


def test_no_training_uses_frames_before_they_are_looked_over(
    session: Session, line: Line, teaching: Teaching
) -> None:
    ids = fill(session, teaching)
    session.execute(update(Sample).values(signature=b"seen", side="training"))
    teachings.throw_out(session, ids[:1], actor=ANNA)

    assert samples.normal_pool(session, line.id) == []
    teachings.finish(session, teaching, actor=ANNA)

    assert [one.id for one in samples.normal_pool(session, line.id)] == ids[1:]


def test_operators_may_not_teach(session: Session, line: Line, teaching: Teaching) -> None:
    add_user(session, "otto", Role.OPERATOR, actor=ANNA)
    otto = Actor("otto")
    ids = fill(session, teaching)

    changes = (
        lambda: teachings.start_teaching(session, line, frames=12, detector="bgad", actor=otto),
        lambda: teachings.throw_out(session, ids, actor=otto),
        lambda: teachings.take_back(session, ids, actor=otto),
        lambda: teachings.stop_collecting(session, teaching, actor=otto),
        lambda: teachings.finish(session, teaching, actor=otto),
        lambda: teachings.cancel(session, teaching, actor=otto),
    )
    for change in changes:
        with pytest.raises(Forbidden, match="needs an engineer"):
            change()
