"""Counts for the Quality page, counted by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from db import inspections, opinions, quality, review_work
from db.inspections import VerdictCounts
from db.quality import ReviewedParts, Window
from db.review_work import ReviewerWork, SecondLooks
from db.tables import (
    Decision,
    Inspection,
    QuarantinedFrame,
    Review,
    ReviewQueue,
    SampleLabel,
    Verdict,
)
from tests.db.conftest import plan, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from tests.db.conftest import Plant, RowMaker

    Adder = Callable[..., int]
    Reviewer = Callable[..., Review]


@pytest.fixture
def noon(make_row: RowMaker) -> datetime:
    """When the rows of `make_row` are recorded."""
    moment: datetime = make_row()["recorded_at"]
    return moment


@pytest.fixture
def add(session: Session, make_row: RowMaker, noon: datetime) -> Adder:
    """Adds an inspection, minutes after noon, and gives its id; `queue` overrules the first one."""

    def adder(
        minutes: float = 0, camera: str = "left", verdict: str = "PASS", **changes: Any
    ) -> int:
        queue = changes.pop("queue", "as recorded")
        moment = noon + timedelta(minutes=minutes)
        row = make_row(camera, verdict, **{"recorded_at": moment, "captured_at": moment} | changes)
        inspections.record(session, [row])
        found = session.scalars(
            select(Inspection).where(Inspection.frame_id == row["frame_id"])
        ).one()
        if queue != "as recorded":
            found.queue = queue
            session.flush()
        return found.id

    return adder


@pytest.fixture
def say(session: Session, noon: datetime) -> Reviewer:
    """Adds a review, minutes after noon, as it stands in the table."""

    def sayer(
        inspection: int, decision: Decision, who: str = "ana", minutes: float = 10, **more: Any
    ) -> Review:
        review = Review(
            inspection_id=inspection,
            camera_id=session.get_one(Inspection, inspection).camera_id,
            reviewer=who,
            decision=decision.value,
            created_at=noon + timedelta(minutes=minutes),
            **more,
        )
        session.add(review)
        session.flush()
        settle(session, inspection)
        return review

    return sayer


@pytest.fixture
def hour(noon: datetime) -> Window:
    """The hour after noon."""
    return Window(noon, noon + timedelta(hours=1))


@pytest.fixture
def cameras(plant: Plant) -> list[int]:
    """Both cameras of the line."""
    return list(plant.cameras.values())


def test_verdicts_are_counted_in_each_window_its_end_left_out(
    session: Session, plant: Plant, cameras: list[int], add: Adder, noon: datetime
) -> None:
    add(-1)
    for minutes, verdict in ((0, "PASS"), (1, "REVIEW"), (9.99, "PASS"), (10, "REJECT")):
        add(minutes, verdict=verdict)
    add(11, "right", "UNINSPECTED")
    add(40, "right")
    ten = [
        Window(noon + timedelta(minutes=m), noon + timedelta(minutes=m + 10)) for m in (0, 10, 20)
    ]

    both = quality.count_verdicts(session, cameras, ten)
    left = quality.count_verdicts(session, [plant.cameras["left"]], ten)

    # PASS, REVIEW, PASS | REJECT, and UNINSPECTED of the other camera | nothing
    assert both == [VerdictCounts(2, 1), VerdictCounts(0, 0, 1, 1), VerdictCounts()]
    assert left == [VerdictCounts(2, 1), VerdictCounts(0, 0, 1, 0), VerdictCounts()]


def test_without_cameras_or_windows_there_is_nothing(session: Session, hour: Window) -> None:
    assert quality.count_verdicts(session, [], [hour]) == [VerdictCounts()]
    assert quality.count_verdicts(session, [1], []) == []
    assert quality.count_reviewed(session, [], [hour]) == []
    assert quality.sample_scores(session, [], 1, [hour], share=1, limit=9) == []
    assert quality.first_scores(session, [], 1, since=hour.start, limit=9).until is None


@pytest.fixture
def reviewed(add: Adder, say: Reviewer) -> list[int]:
    """Parts with every kind of story, all of the hour after noon; gives the inspections."""
    defect = add(1, verdict="REJECT", queue=None)
    say(defect, Decision.DEFECT, defect_class="dent")
    late = add(2, verdict="REJECT", queue=None)
    say(late, Decision.DEFECT, minutes=3000, defect_class="dent")
    good = add(3, verdict="REVIEW", queue=None)
    say(good, Decision.GOOD)
    corrected = add(4, verdict="REVIEW", queue=None)
    say(corrected, Decision.GOOD)
    say(corrected, Decision.DEFECT, "ana", 20, defect_class="stain")
    restored = add(5, verdict="REVIEW", queue=None)
    say(restored, Decision.GOOD)
    wrong = say(restored, Decision.DEFECT, "ana", 20)
    say(restored, Decision.UNDO, "ana", 21, undoes_id=wrong.id)
    taken_back = add(6, verdict="REJECT")
    only = say(taken_back, Decision.DEFECT)
    say(taken_back, Decision.UNDO, undoes_id=only.id)
    dismissed = add(7, verdict="REVIEW", queue=None)
    say(dismissed, Decision.DISMISSED)
    unsure = add(8, verdict="REVIEW", queue="second_opinion")
    say(unsure, Decision.UNSURE)
    disputed = add(9, verdict="REVIEW", queue="disagreement")
    say(disputed, Decision.GOOD)
    say(disputed, Decision.DEFECT, "ben", 20)
    settled = add(10, verdict="REVIEW", queue=None)
    say(settled, Decision.GOOD)
    say(settled, Decision.DEFECT, "ben", 20)
    say(settled, Decision.GOOD, "eve", 30)
    escaped = add(11, audit_probability=0.01, queue=None)
    say(escaped, Decision.DEFECT)
    audited = add(12, audit_probability=0.02, queue=None)
    say(audited, Decision.GOOD)
    open_audit = add(13, audit_probability=0.02)
    return [
        defect, late, good, corrected, restored, taken_back, dismissed, unsure, disputed, settled,
        escaped, audited, open_audit,
    ]  # fmt: skip


def test_only_the_word_that_counts_is_counted(
    session: Session,
    cameras: list[int],
    reviewed: list[int],
    add: Adder,
    say: Reviewer,
    hour: Window,
) -> None:
    say(add(-1, verdict="REJECT", queue=None), Decision.DEFECT)  # before the hour
    say(add(1, "right", "REJECT", queue=None), Decision.DEFECT, defect_class="dent")

    found = quality.count_reviewed(session, cameras, [hour])

    assert len(found) == 5
    assert {(p.verdict, p.label, p.defect_class, p.audit_probability): p.count for p in found} == {
        (Verdict.REJECT, SampleLabel.DEFECT, "dent", None): 3,  # defect, late, the right camera's
        (Verdict.REVIEW, SampleLabel.GOOD, None, None): 3,  # good, restored, settled
        (Verdict.REVIEW, SampleLabel.DEFECT, "stain", None): 1,  # corrected
        (Verdict.PASS, SampleLabel.DEFECT, None, 0.01): 1,  # escaped
        (Verdict.PASS, SampleLabel.GOOD, None, 0.02): 1,  # audited
    }


def test_it_is_the_word_that_the_reviews_themselves_call_confirmed(
    session: Session, plant: Plant, reviewed: list[int], hour: Window
) -> None:
    words = [opinions.confirmed(session, inspection) for inspection in reviewed]

    found = quality.count_reviewed(session, [plant.cameras["left"]], [hour])

    labels = [word.label for word in words if word is not None]
    assert sum(parts.count for parts in found) == len(labels) == 8
    defects = sum(parts.count for parts in found if parts.label is SampleLabel.DEFECT)
    assert defects == labels.count(SampleLabel.DEFECT) == 4


def test_reviews_of_several_windows_are_added_up(
    session: Session, cameras: list[int], add: Adder, say: Reviewer, noon: datetime
) -> None:
    for minutes in (0, 30, 60):
        say(add(minutes, verdict="REJECT", queue=None), Decision.GOOD, minutes=70)
    windows = [
        Window(noon + timedelta(minutes=m), noon + timedelta(minutes=m + 10)) for m in (0, 60)
    ]

    found = quality.count_reviewed(session, cameras, windows)

    assert found == [ReviewedParts(Verdict.REJECT, SampleLabel.GOOD, None, None, 2)]


def test_a_review_by_a_clock_that_is_slow_is_found(
    session: Session, cameras: list[int], add: Adder, say: Reviewer, hour: Window
) -> None:
    say(add(0, verdict="REJECT", queue=None), Decision.GOOD, minutes=-5)

    assert len(quality.count_reviewed(session, cameras, [hour])) == 1


def test_what_waits_is_counted_by_queue(
    session: Session,
    plant: Plant,
    cameras: list[int],
    reviewed: list[int],
    add: Adder,
    hour: Window,
) -> None:
    add(-1, verdict="REJECT")

    waiting = quality.count_waiting(session, plant.line_id, cameras, [hour])

    assert waiting == {
        ReviewQueue.FLAGGED: 1,  # taken_back
        ReviewQueue.AUDIT: 1,
        ReviewQueue.SECOND_OPINION: 1,
        ReviewQueue.DISAGREEMENT: 1,
    }


def test_frames_in_quarantine_are_counted_by_camera_and_without_one(
    session: Session, plant: Plant, cameras: list[int], noon: datetime, hour: Window
) -> None:
    for minutes, camera in ((0, "left"), (5, "right"), (6, None), (60, "left")):
        session.add(
            QuarantinedFrame(
                frame_key=uuid7().hex,
                line_id=plant.line_id,
                camera=camera,
                reason="truncated",
                detail="",
                deliveries=1,
                quarantined_at=noon + timedelta(minutes=minutes),
            )
        )
    session.flush()

    def counted(of: list[int]) -> int:
        return quality.count_quarantined(session, plant.line_id, of, [hour])

    assert counted(cameras) == 3
    assert counted([plant.cameras["left"]]) == 2


def test_work_is_counted_by_person_and_by_when_it_was_done(
    session: Session, cameras: list[int], reviewed: list[int], hour: Window
) -> None:
    work = review_work.work_by_reviewer(session, cameras, [hour])

    # ana: defects on `defect`, `corrected`, `escaped`; good on `good`, `corrected`, `restored`,
    # `disputed`, `settled`, `audited`. Her two undone defects are in nothing but `undone`, and
    # `late` was reviewed after the hour.
    assert work == [
        ReviewerWork("ana", defect=3, good=6, unsure=1, dismissed=1, undone=2),
        ReviewerWork("ben", defect=2, good=0, unsure=0, dismissed=0, undone=0),
        ReviewerWork("eve", defect=0, good=1, unsure=0, dismissed=0, undone=0),
    ]
    assert work[0].reviewed == 9


def test_work_is_that_on_the_cameras_parts(
    session: Session, plant: Plant, reviewed: list[int], hour: Window
) -> None:
    assert review_work.work_by_reviewer(session, [plant.cameras["right"]], [hour]) == []


def test_parts_that_two_people_saw_are_counted_and_those_on_which_they_differ(
    session: Session,
    cameras: list[int],
    reviewed: list[int],
    add: Adder,
    say: Reviewer,
    hour: Window,
) -> None:
    agreed = add(20, verdict="REVIEW", queue=None)
    say(agreed, Decision.DEFECT)
    say(agreed, Decision.DEFECT, "ben", 12)
    undone = add(21, verdict="REVIEW", queue=None)
    say(undone, Decision.DEFECT)
    other = say(undone, Decision.GOOD, "ben", 12)
    say(undone, Decision.UNDO, "ben", 13, undoes_id=other.id)

    # disputed, settled (once, though three spoke), agreed
    assert review_work.count_second_looks(session, cameras, [hour]) == SecondLooks(3, differing=2)


def test_the_time_to_review_is_that_to_the_first_answer(
    session: Session, cameras: list[int], add: Adder, say: Reviewer, hour: Window
) -> None:
    quick = add(0, verdict="REVIEW", queue=None)
    say(quick, Decision.GOOD, minutes=2)
    say(quick, Decision.DEFECT, "ben", 30)
    say(add(5, verdict="REVIEW", queue=None), Decision.DISMISSED, minutes=6)
    say(add(5, verdict="REVIEW", queue=None), Decision.DEFECT, minutes=15)
    say(add(20, verdict="REVIEW", queue=None), Decision.GOOD, minutes=19)  # by a slow clock

    assert sorted(review_work.delays_s(session, cameras, [hour])) == [0.0, 120.0, 600.0]


def test_the_first_scores_are_each_cameras_first_of_the_version(
    session: Session, plant: Plant, cameras: list[int], add: Adder, noon: datetime
) -> None:
    for minutes in range(5):
        add(minutes, score=float(minutes))
        add(minutes, "right", score=10.0 + minutes)
    add(1, "right", verdict="UNINSPECTED")

    first = quality.first_scores(session, cameras, plant.version_id, since=noon, limit=6)

    assert sorted(first.scores) == [0, 1, 2, 10, 11, 12]
    assert first.until == noon + timedelta(minutes=2)


def test_scores_are_drawn_evenly_and_the_same_every_time(
    session: Session, plant: Plant, cameras: list[int], make_row: RowMaker, noon: datetime
) -> None:
    rows = [
        make_row(recorded_at=noon + timedelta(seconds=second), score=float(second))
        for second in range(1000)
    ]
    inspections.record(session, rows)
    halves = [
        Window(noon + timedelta(seconds=s), noon + timedelta(seconds=s + 500)) for s in (0, 500)
    ]

    def draw(windows: list[Window], share: float, limit: int = 2000) -> list[float]:
        version = plant.version_id
        return quality.sample_scores(session, cameras, version, windows, share=share, limit=limit)

    assert sorted(draw(halves, 1)) == [float(second) for second in range(1000)]
    tenth = draw(halves, 0.1)
    assert tenth == draw(halves, 0.1)
    # Ids follow each other here, over which the golden ratio spreads within one or two.
    assert len(tenth) == pytest.approx(100, abs=3)
    assert len(draw(halves[:1], 0.1)) == pytest.approx(50, abs=3)
    assert len(draw(halves, 1, limit=7)) == 7


def test_verdicts_and_reviews_are_found_by_their_indexes(
    session: Session, cameras: list[int], hour: Window, statements: list[tuple[str, Any]]
) -> None:
    plans = []
    reads = (
        quality.count_verdicts,
        quality.count_reviewed,
        review_work.work_by_reviewer,
        review_work.count_second_looks,
    )
    for read in reads:
        read(session, cameras, [hour])
        plans.append(plan(session, *statements[-1]))

    verdicts, words, work, looks = plans
    stretch = "(camera_id=? AND recorded_at>? AND recorded_at<?)"
    index = "COVERING INDEX ix_inspections_camera_id_recorded_at"
    assert f"{index}_verdict {stretch}" in verdicts
    assert f"{index}_labelled {stretch}" in words
    for of_people in (work, looks):
        index = "reviews USING INDEX ix_reviews_camera_id_created_at (camera_id=? AND created_at>?"
        assert index in of_people
        assert "inspections" not in of_people
