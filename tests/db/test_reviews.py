"""Reviews: append-only, one person's word at a time, undone by another event."""

from __future__ import annotations

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import inspections, review_claims, reviews
from db.access import Actor, trusted
from db.defect_classes import add_class, retire_class
from db.errors import Conflict, Forbidden, NotFound
from db.tables import Decision, Inspection, Review, ReviewClaim, Role, SampleLabel
from db.users import add_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Plant, RowMaker
    from sqlalchemy.engine import Engine


@pytest.fixture
def flag(session: Session, make_row: RowMaker) -> Callable[..., int]:
    """Adds an inspection, REJECT unless told, and returns its id."""

    def add(verdict: str = "REJECT", **changes: Any) -> int:
        row = make_row(verdict=verdict, **changes)
        inspections.record(session, [row])
        session.commit()
        query = select(Inspection.id).where(Inspection.frame_id == row["frame_id"])
        return session.scalars(query).one()

    return add


def history(session: Session, inspection_id: int) -> list[Review]:
    """Every event on an inspection, undoes included, oldest first."""
    query = select(Review).where(Review.inspection_id == inspection_id)
    return list(session.scalars(query.order_by(Review.id)))


def waiting(session: Session, plant: Plant) -> list[int]:
    """Ids in the queue, newest first."""
    open_ = select(Inspection.id).where(
        Inspection.line_id == plant.line_id, Inspection.queue.is_not(None)
    )
    return list(session.scalars(open_.order_by(Inspection.id.desc())))


def test_flagged_frames_wait_newest_first_and_no_others(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    first, second = flag("REVIEW"), flag("REJECT")
    flag("PASS")
    flag("UNINSPECTED")

    assert waiting(session, plant) == [second, first]


def test_a_decision_is_current_and_takes_the_frame_out_of_the_queue(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    inspection = flag()
    add_class(session, plant.line, "crack", actor=trusted("eve"))

    review = reviews.add_review(
        session,
        inspection,
        Decision.DEFECT,
        reviewer=trusted("anna"),
        defect_class="crack",
        mask_key="m",
    )
    session.commit()

    assert reviews.current_review(session, inspection) is review
    assert (review.reviewer, review.decision) == ("anna", "defect")
    assert (review.defect_class, review.mask_key) == ("crack", "m")
    assert waiting(session, plant) == []


@pytest.mark.parametrize("decision", [Decision.DISMISSED, Decision.GOOD, Decision.DEFECT])
def test_every_decision_but_unsure_takes_the_frame_out_of_the_queue(
    session: Session, plant: Plant, flag: Callable[..., int], decision: Decision
) -> None:
    reviews.add_review(session, flag(), decision, reviewer=trusted("anna"))

    assert waiting(session, plant) == []


def test_a_colleague_who_decided_meanwhile_is_not_overruled(
    session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()
    first = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))
    session.commit()

    words = rf"inspection {inspection} was reviewed meanwhile: good by anna at .* UTC \(review"
    with pytest.raises(Conflict, match=words):
        reviews.add_review(session, inspection, Decision.DEFECT, reviewer=trusted("bert"))
    session.rollback()

    assert reviews.current_review(session, inspection) is first
    assert len(history(session, inspection)) == 1


def test_a_second_opinion_names_the_review_it_follows_and_is_current(
    session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()
    first = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))

    second = reviews.add_review(
        session, inspection, Decision.DEFECT, reviewer=trusted("bert"), after=first.id
    )

    assert reviews.current_review(session, inspection) is second
    with pytest.raises(Conflict, match="defect by bert"):
        reviews.add_review(
            session, inspection, Decision.GOOD, reviewer=trusted("carl"), after=first.id
        )


def test_undo_puts_the_frame_back_and_keeps_both_events(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    inspection = flag()
    review = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))

    reviews.undo(session, review.id, reviewer=trusted("bert"))
    session.commit()

    assert reviews.current_review(session, inspection) is None
    assert waiting(session, plant) == [inspection]
    told = [(e.decision, e.reviewer, e.undoes_id) for e in history(session, inspection)]
    assert told == [("good", "anna", None), ("undo", "bert", review.id)]


def test_undoing_a_second_opinion_makes_the_first_current_again(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    inspection = flag()
    first = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))
    second = reviews.add_review(
        session, inspection, Decision.DEFECT, reviewer=trusted("bert"), after=first.id
    )
    assert waiting(session, plant) == [inspection]

    reviews.undo(session, second.id, reviewer=trusted("bert"))

    assert reviews.current_review(session, inspection) is first
    assert waiting(session, plant) == []


def test_after_an_undo_the_frame_can_be_decided_anew(
    session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()
    first = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))
    reviews.undo(session, first.id, reviewer=trusted("anna"))

    anew = reviews.add_review(session, inspection, Decision.DEFECT, reviewer=trusted("anna"))

    assert reviews.current_review(session, inspection) is anew


def test_a_review_that_was_undone_cannot_be_followed(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    inspection = flag()
    first = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))
    reviews.undo(session, first.id, reviewer=trusted("anna"))

    with pytest.raises(Conflict, match="was undone meanwhile: load the inspection again"):
        reviews.add_review(
            session, inspection, Decision.GOOD, reviewer=trusted("bert"), after=first.id
        )

    assert waiting(session, plant) == [inspection]


def test_undoing_twice_is_a_conflict(session: Session, flag: Callable[..., int]) -> None:
    review = reviews.add_review(session, flag(), Decision.GOOD, reviewer=trusted("anna"))
    reviews.undo(session, review.id, reviewer=trusted("bert"))

    with pytest.raises(Conflict, match=f"review {review.id} was undone already by bert"):
        reviews.undo(session, review.id, reviewer=trusted("anna"))


def test_a_review_another_stands_on_cannot_be_undone(
    session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()
    first = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))
    reviews.add_review(
        session, inspection, Decision.DEFECT, reviewer=trusted("bert"), after=first.id
    )

    with pytest.raises(Conflict, match=r"a later review stands on .*defect by bert.*undo that one"):
        reviews.undo(session, first.id, reviewer=trusted("anna"))


def test_an_undo_cannot_be_undone(session: Session, flag: Callable[..., int]) -> None:
    review = reviews.add_review(session, flag(), Decision.GOOD, reviewer=trusted("anna"))
    event = reviews.undo(session, review.id, reviewer=trusted("anna"))

    with pytest.raises(Conflict, match="is an undo itself"):
        reviews.undo(session, event.id, reviewer=trusted("anna"))


def test_a_passed_frame_may_be_reviewed_and_never_enters_the_queue(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    review = reviews.add_review(session, flag("PASS"), Decision.DEFECT, reviewer=trusted("anna"))
    reviews.undo(session, review.id, reviewer=trusted("anna"))

    assert waiting(session, plant) == []


def test_what_is_not_there_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound, match="no inspection with id 7"):
        reviews.add_review(session, 7, Decision.GOOD, reviewer=trusted("anna"))
    with pytest.raises(NotFound, match="no review 7"):
        reviews.undo(session, 7, reviewer=trusted("anna"))


def test_undo_is_no_decision_and_a_reviewer_is_needed(
    session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()

    with pytest.raises(ValueError, match="call undo"):
        reviews.add_review(session, inspection, Decision.UNDO, reviewer=trusted("anna"))
    with pytest.raises(ValueError, match="needs an actor"):
        reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted(" "))


def test_of_many_who_decide_at_once_one_is_heard(
    engine: Engine, session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()

    def decide(number: int) -> bool:
        try:
            with Session(engine) as own, own.begin():
                reviews.add_review(
                    own, inspection, Decision.GOOD, reviewer=trusted(f"person {number}")
                )
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as people:
        heard = list(people.map(decide, range(6)))

    assert heard.count(True) == 1
    assert len(history(session, inspection)) == 1


def test_of_many_who_undo_at_once_one_is_heard(
    engine: Engine, session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    inspection = flag()
    review_id = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna")).id
    session.commit()

    def take_back(number: int) -> bool:
        try:
            with Session(engine) as own, own.begin():
                reviews.undo(own, review_id, reviewer=trusted(f"person {number}"))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as people:
        heard = list(people.map(take_back, range(6)))

    assert heard.count(True) == 1
    assert waiting(session, plant) == [inspection]


def test_the_database_itself_refuses_a_second_undo(
    session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()
    review = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))
    for _ in range(2):
        session.add(
            Review(
                inspection_id=inspection,
                camera_id=review.camera_id,
                reviewer="x",
                decision="undo",
                undoes_id=review.id,
            )
        )

    with pytest.raises(IntegrityError):
        session.flush()


def test_current_reviews_of_several_frames_come_in_one_answer(
    session: Session, flag: Callable[..., int]
) -> None:
    decided, undone, open_ = flag(), flag(), flag()
    review = reviews.add_review(session, decided, Decision.GOOD, reviewer=trusted("anna"))
    taken_back = reviews.add_review(session, undone, Decision.GOOD, reviewer=trusted("anna"))
    reviews.undo(session, taken_back.id, reviewer=trusted("anna"))

    assert reviews.current_reviews(session, [decided, undone, open_]) == {decided: review}
    assert reviews.current_reviews(session, []) == {}


def test_a_class_that_was_retired_meanwhile_is_refused_and_nothing_is_stored(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    inspection = flag()
    for name in ("crack", "scratch"):
        add_class(session, plant.line, name, actor=trusted("eve"))
    retire_class(session, plant.line, "crack", actor=trusted("eve"))
    session.commit()

    with pytest.raises(Conflict, match=r"no defect class 'crack', or not any more.*\(scratch\)"):
        reviews.add_review(
            session, inspection, Decision.DEFECT, reviewer=trusted("anna"), defect_class="crack"
        )
    session.rollback()

    assert history(session, inspection) == []
    assert waiting(session, plant) == [inspection]


def test_another_lines_class_is_refused(
    session: Session, add_plant: Callable[..., Plant], flag: Callable[..., int]
) -> None:
    inspection = flag()
    add_class(session, add_plant("saw", ["top"]).line, "burr", actor=trusted("eve"))

    with pytest.raises(Conflict, match=r"\(none\), or ask an engineer to add it"):
        reviews.add_review(
            session, inspection, Decision.DEFECT, reviewer=trusted("anna"), defect_class="burr"
        )


def test_only_a_defect_has_a_class(session: Session, flag: Callable[..., int]) -> None:
    with pytest.raises(ValueError, match="only a defect has a class and a mask"):
        reviews.add_review(
            session, flag(), Decision.GOOD, reviewer=trusted("anna"), defect_class="crack"
        )


def test_a_review_keeps_the_queue_it_was_given_in(
    session: Session, flag: Callable[..., int]
) -> None:
    flagged, drawn, neither = flag(), flag("PASS", audit_probability=0.1), flag("PASS")

    given = [
        reviews.add_review(session, each, Decision.UNSURE, reviewer=trusted("anna"))
        for each in (flagged, drawn, neither)
    ]
    second = reviews.add_review(
        session, drawn, Decision.GOOD, reviewer=trusted("bert"), after=given[1].id
    )

    assert [review.queue for review in given] == ["flagged", "audit", None]
    assert second.queue == "second_opinion"


def test_nobody_gives_the_second_opinion_on_their_own_word(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    inspection = flag()
    first = reviews.add_review(session, inspection, Decision.UNSURE, reviewer=trusted("anna"))

    with pytest.raises(Conflict, match=r"waits for a second opinion of somebody else than 'anna'"):
        reviews.add_review(
            session, inspection, Decision.GOOD, reviewer=trusted("anna"), after=first.id
        )

    assert waiting(session, plant) == [inspection]


def test_nobody_settles_a_dispute_they_are_part_of(
    session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()
    first = reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))
    second = reviews.add_review(
        session, inspection, Decision.DEFECT, reviewer=trusted("bert"), after=first.id
    )

    for name in ("anna", "bert"):
        with pytest.raises(Conflict, match=f"deciding word of somebody else than '{name}'"):
            reviews.add_review(
                session, inspection, Decision.DEFECT, reviewer=trusted(name), after=second.id
            )
    third = reviews.add_review(
        session, inspection, Decision.GOOD, reviewer=trusted("carl"), after=second.id
    )

    word = reviews.confirmed(session, inspection)
    assert word is not None
    assert (word.label, word.review_id) == ("good", third.id)


def test_what_is_confirmed_follows_the_reviews(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    plant.line.needs_second_opinion = True
    add_class(session, plant.line, "crack", actor=trusted("eve"))
    inspection = flag()
    assert reviews.confirmed(session, inspection) is None

    first = reviews.add_review(
        session, inspection, Decision.DEFECT, reviewer=trusted("anna"), defect_class="crack"
    )
    alone = reviews.confirmed(session, inspection)
    second = reviews.add_review(
        session,
        inspection,
        Decision.DEFECT,
        reviewer=trusted("bert"),
        after=first.id,
        defect_class="crack",
        mask_key="m",
    )
    agreed = reviews.confirmed(session, inspection)
    reviews.undo(session, second.id, reviewer=trusted("bert"))

    assert alone is None
    assert agreed == reviews.Confirmed(SampleLabel.DEFECT, "crack", "m", second.id)
    assert reviews.confirmed(session, inspection) is None
    assert waiting(session, plant) == [inspection]
    with pytest.raises(NotFound, match="no inspection 999"):
        reviews.confirmed(session, 999)


def test_a_dismissal_confirms_nothing(session: Session, flag: Callable[..., int]) -> None:
    inspection = flag()
    reviews.add_review(session, inspection, Decision.DISMISSED, reviewer=trusted("anna"))

    assert reviews.confirmed(session, inspection) is None


def test_reviews_are_for_users_and_anothers_word_is_taken_back_by_an_engineer(
    session: Session, flag: Callable[..., int]
) -> None:
    inspection = flag()
    for name, role in (("anna", Role.OPERATOR), ("bert", Role.OPERATOR), ("eve", Role.ENGINEER)):
        add_user(session, name, role, actor=trusted("root"))
    with pytest.raises(Forbidden, match="no user 'mallory'"):
        reviews.add_review(session, inspection, Decision.GOOD, reviewer=Actor("mallory"))
    review = reviews.add_review(session, inspection, Decision.GOOD, reviewer=Actor("anna"))

    with pytest.raises(Forbidden, match="needs an engineer"):
        reviews.undo(session, review.id, reviewer=Actor("bert"))
    reviews.undo(session, review.id, reviewer=Actor("eve"))

    again = reviews.add_review(session, inspection, Decision.GOOD, reviewer=Actor("anna"))
    reviews.undo(session, again.id, reviewer=Actor("anna"))
    assert reviews.current_review(session, inspection) is None


def test_a_decision_frees_the_card(session: Session, flag: Callable[..., int]) -> None:
    inspection = flag()
    review_claims.claim(session, "window", [inspection])

    reviews.add_review(session, inspection, Decision.GOOD, reviewer=trusted("anna"))

    assert session.scalars(select(ReviewClaim)).all() == []


def test_the_label_is_the_confirmed_word_whatever_people_do(
    session: Session, plant: Plant, flag: Callable[..., int]
) -> None:
    plant.line.needs_second_opinion = True
    ids = [flag(), flag("PASS", audit_probability=0.1)]
    people = [trusted(name) for name in ("anna", "bert", "eve")]
    answers = [Decision.DEFECT, Decision.GOOD, Decision.UNSURE, Decision.DISMISSED]
    draw, labels = Random(5), Counter[str | None]()

    for _ in range(150):
        inspection = draw.choice(ids)
        now = reviews.current_review(session, inspection)
        reviewer = draw.choice(people)
        with contextlib.suppress(Conflict):  # somebody else's word is wanted
            if now is not None and draw.random() < 0.4:
                reviews.undo(session, now.id, reviewer=reviewer)
            else:
                after, word = now and now.id, draw.choice(answers)
                reviews.add_review(session, inspection, word, reviewer=reviewer, after=after)
        row = session.get_one(Inspection, inspection)
        confirmed = reviews.confirmed(session, inspection)
        assert row.label == (confirmed and confirmed.label.value)
        assert row.label is None or row.queue is None
        labels[row.label] += 1

    assert min(labels["good"], labels["defect"], labels[None]) > 2
