"""The review queue across lines and from any place in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import inspections, review_claims, review_queue
from db.access import trusted
from db.defect_classes import add_class
from db.review_queue import Wanted, count_open, counts, newest_open, next_newer, take
from db.reviews import add_review, undo
from db.tables import Decision, Inspection, ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Plant, RowMaker
    from sqlalchemy.engine import Engine


#: When the frames were captured, as the conftest has it.
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def other(add_plant: Callable[..., Plant]) -> Plant:
    """A second line, `saw`, with a camera `top`."""
    return add_plant("saw", ["top"])


@pytest.fixture
def ids(session: Session, plant: Plant, other: Plant, make_row: RowMaker) -> list[int]:
    """Frames in the order recorded: press left, saw top, press right, a good one, saw top."""
    saw = {"line_id": other.line_id, "camera_id": other.cameras["top"]}
    rows = [
        make_row("left", "REJECT"),
        make_row("left", "REVIEW", **saw),
        make_row("right", "REVIEW"),
        make_row("left", "PASS"),
        make_row("left", "REJECT", **saw),
    ]
    for row in rows:
        inspections.record(session, [row])
    session.commit()
    return list(session.scalars(select(Inspection.id).order_by(Inspection.id)))


def shown(session: Session, wanted: Wanted) -> list[int]:
    """Ids of all that wait, newest first; the count must agree."""
    found = [view.id for view in newest_open(session, wanted, limit=99)]
    assert count_open(session, wanted) == len(found)
    return found


def test_several_lines_are_merged_newest_first(
    session: Session, plant: Plant, other: Plant, ids: list[int]
) -> None:
    wanted = Wanted((plant.line_id, other.line_id))

    found = [view.id for view in newest_open(session, wanted, limit=3)]
    rest = [view.id for view in newest_open(session, wanted, older_than=found[-1], limit=3)]

    assert found == [ids[4], ids[2], ids[1]]
    assert rest == [ids[0]]
    assert count_open(session, wanted) == 4


def test_the_next_newer_one_skips_what_is_good_or_done(
    session: Session, plant: Plant, other: Plant, ids: list[int]
) -> None:
    wanted = Wanted((plant.line_id, other.line_id))
    add_review(session, ids[1], Decision.GOOD, reviewer=trusted("Ada"))

    first = next_newer(session, wanted, ids[0])
    second = next_newer(session, wanted, ids[2])

    assert first is not None
    assert second is not None
    assert [first.id, second.id] == [ids[2], ids[4]]
    assert next_newer(session, wanted, ids[4]) is None
    assert count_open(session, wanted) == 3


def test_one_camera_can_be_chosen(session: Session, plant: Plant, ids: list[int]) -> None:
    wanted = Wanted((plant.line_id,), camera_id=plant.cameras["left"])

    assert shown(session, wanted) == [ids[0]]
    assert next_newer(session, wanted, ids[0]) is None


def test_each_queue_holds_its_own(
    session: Session, plant: Plant, ids: list[int], make_row: RowMaker
) -> None:
    inspections.record(session, [make_row(audit_probability=0.1)])
    unsure = add_review(session, ids[0], Decision.UNSURE, reviewer=trusted("Ada"))
    add_review(session, ids[0], Decision.UNSURE, reviewer=trusted("Ben"), after=unsure.id)
    good = add_review(session, ids[2], Decision.GOOD, reviewer=trusted("Ada"))
    add_review(session, ids[2], Decision.DEFECT, reviewer=trusted("Ben"), after=good.id)

    assert counts(session, Wanted((plant.line_id,))) == {
        ReviewQueue.FLAGGED: 0,
        ReviewQueue.AUDIT: 1,
        ReviewQueue.SECOND_OPINION: 1,
        ReviewQueue.DISAGREEMENT: 1,
    }


@pytest.mark.parametrize("queue", [ReviewQueue.SECOND_OPINION, ReviewQueue.DISAGREEMENT])
def test_nobody_is_offered_their_own_word(
    session: Session, plant: Plant, ids: list[int], queue: ReviewQueue
) -> None:
    review = add_review(session, ids[0], Decision.UNSURE, reviewer=trusted("Ada"))
    if queue is ReviewQueue.DISAGREEMENT:
        good = add_review(session, ids[0], Decision.GOOD, reviewer=trusted("Ben"), after=review.id)
        add_review(session, ids[0], Decision.DEFECT, reviewer=trusted("Cem"), after=good.id)
    wanted = Wanted((plant.line_id,), queue)

    assert shown(session, replace(wanted, reviewer="Ada")) == []
    assert shown(session, replace(wanted, reviewer="Dora")) == [ids[0]]


def test_a_word_taken_back_or_a_dismissal_excludes_nobody(
    session: Session, plant: Plant, ids: list[int]
) -> None:
    undone = add_review(session, ids[0], Decision.UNSURE, reviewer=trusted("Ada"))
    undo(session, undone.id, reviewer=trusted("Ada"))
    add_review(session, ids[0], Decision.UNSURE, reviewer=trusted("Ben"))
    wanted = Wanted((plant.line_id,), ReviewQueue.SECOND_OPINION, reviewer="Ada")

    assert shown(session, wanted) == [ids[0]]


def test_dates_scores_model_and_class_narrow_a_queue(
    session: Session, plant: Plant, make_row: RowMaker
) -> None:
    add_class(session, plant.line, "crack", actor=trusted("eve"))
    for hour in range(4):
        row = make_row(verdict="REJECT", score=2.0 + hour)
        row["captured_at"] += timedelta(hours=hour)
        inspections.record(session, [row])
    ids = list(session.scalars(select(Inspection.id).order_by(Inspection.id)))
    everything = Wanted((plant.line_id,))

    assert shown(session, replace(everything, since=NOON + timedelta(hours=2))) == ids[:1:-1]
    assert shown(session, replace(everything, until=NOON + timedelta(hours=1))) == ids[:1]
    assert shown(session, replace(everything, score_from=3.0, score_to=4.0)) == ids[2:0:-1]
    assert shown(session, replace(everything, model_number=1)) == ids[::-1]
    assert shown(session, replace(everything, model_number=2)) == []
    plant.line.needs_second_opinion = True
    for each, name in ((ids[0], "crack"), (ids[1], None)):
        add_review(session, each, Decision.DEFECT, reviewer=trusted("Ada"), defect_class=name)
    cracks = Wanted((plant.line_id,), ReviewQueue.SECOND_OPINION, defect_class="crack")
    assert shown(session, cracks) == [ids[0]]


def test_the_blind_queue_knows_no_filter_by_score(
    session: Session, plant: Plant, make_row: RowMaker
) -> None:
    inspections.record(session, [make_row(audit_probability=0.1, score=0.4)])

    assert count_open(session, Wanted((plant.line_id,), ReviewQueue.AUDIT, score_from=0.9)) == 1


def test_a_card_on_show_elsewhere_is_passed_over(
    session: Session, plant: Plant, other: Plant, ids: list[int]
) -> None:
    wanted = Wanted((plant.line_id, other.line_id))

    first = take(session, replace(wanted, holder="one"), limit=2)
    second = take(session, replace(wanted, holder="two"), limit=2)
    again = take(session, replace(wanted, holder="one"), limit=2)

    assert [view.id for view in first] == [ids[4], ids[2]]
    assert [view.id for view in second] == [ids[2], ids[1]]
    assert [view.id for view in again] == [ids[4], ids[1]]


def test_nothing_is_taken_where_all_is_on_show_elsewhere(
    session: Session, plant: Plant, ids: list[int]
) -> None:
    wanted = Wanted((plant.line_id,), holder="two")
    for holder, each in (("one", ids[0]), ("three", ids[2])):
        review_claims.claim(session, holder, [each])

    assert take(session, wanted, limit=3) == []
    with pytest.raises(ValueError, match="needs a holder"):
        take(session, Wanted((plant.line_id,)))


def test_a_card_decided_just_before_it_was_claimed_is_passed_over(
    session: Session, plant: Plant, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = newest_open(session, Wanted((plant.line_id,)), limit=3)
    add_review(session, ids[2], Decision.GOOD, reviewer=trusted("Ada"))
    answers = iter([found])
    monkeypatch.setattr(
        review_queue, "newest_open", lambda *a, **k: next(answers, None) or newest_open(*a, **k)
    )

    taken = take(session, Wanted((plant.line_id,), holder="two"), limit=3)

    assert [view.id for view in taken] == [ids[0]]


def test_many_browsers_at_once_never_get_the_same_card(
    engine: Engine, session: Session, plant: Plant, make_row: RowMaker
) -> None:
    inspections.record(session, [make_row(verdict="REJECT") for _ in range(60)])
    session.commit()

    def work(holder: str) -> list[int]:
        done = []
        wanted = Wanted((plant.line_id,), holder=holder)
        while True:
            with Session(engine) as own, own.begin():
                cards = take(own, wanted, limit=3)
            if not cards:
                return done
            with Session(engine) as own, own.begin():
                add_review(own, cards[0].id, Decision.GOOD, reviewer=trusted(holder))
            done.append(cards[0].id)

    with ThreadPoolExecutor(4) as browsers:
        done = list(browsers.map(work, [f"window {number}" for number in range(4)]))

    # A card shown twice would have been a Conflict.
    assert len({each for one in done for each in one}) == sum(map(len, done)) == 60
