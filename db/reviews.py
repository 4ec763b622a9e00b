"""Reviews: people's words on inspections.

Reviews are append-only events. An inspection's current review is its latest one not undone; what
all of them come to is in `db.opinions`, and the queue of the inspection follows after every event.
Whoever reviews says which review was current when they looked (`after`); if another person's word
came in between, theirs is refused, so nobody overrules a colleague without having seen it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from db import samples
from db.access import require
from db.defect_classes import require_class
from db.errors import Conflict, NotFound
from db.inspections import unreviewed_queue
from db.locking import lock
from db.opinions import (
    LABELS,
    OF_SOMEBODY_ELSE,
    Confirmed,
    confirmed,
    outcome,
    standing,
    stands,
)
from db.tables import Decision, Inspection, Line, Review, ReviewClaim, ReviewQueue, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from db.access import Actor

__all__ = [
    "Confirmed",
    "add_review",
    "confirmed",
    "current_review",
    "current_reviews",
    "undo",
]


def add_review(
    session: Session,
    inspection_id: int,
    decision: Decision,
    *,
    reviewer: Actor,
    after: int | None = None,
    defect_class: str | None = None,
    mask_key: str | None = None,
) -> Review:
    """Add a person's word on an inspection, which leaves its queue, or waits in another one.

    Args:
        after: id of the review that was current when the reviewer looked; None: there was none. A
            second opinion or a correction thus names the review it follows.
        defect_class: which defect, where it is one; a class of the line's own.
        mask_key: where the defect is; `db.masks.put_mask` gives it, once it has checked the mask.

    Raises:
        Forbidden: if the reviewer is no user any more.
        NotFound: if there is no such inspection.
        Conflict: if another review came in between, or the one looked at was undone; if the class
            is not the line's, or was retired meanwhile; if somebody else's word is wanted.
    """
    if decision is Decision.UNDO:
        raise ValueError("undo is no decision of its own: call undo with the review to take back")
    if decision is not Decision.DEFECT and (defect_class or mask_key):
        raise ValueError(f"only a defect has a class and a mask, and the decision is {decision!s}")
    require(session, reviewer, Role.OPERATOR)
    inspection = lock(session, Inspection, inspection_id)
    so_far = standing(session, inspection_id)
    now_current = so_far[-1] if so_far else None
    if (now_current.id if now_current else None) != after:
        raise Conflict(_changed(inspection_id, now_current))
    if decision is not Decision.DISMISSED:
        _require_somebody_else(inspection, so_far, reviewer)
    if defect_class is not None:
        require_class(session, inspection.line_id, defect_class)
    review = Review(
        inspection_id=inspection_id,
        camera_id=inspection.camera_id,
        reviewer=reviewer.name,
        decision=decision.value,
        defect_class=defect_class,
        mask_key=mask_key,
        queue=inspection.queue,
    )
    session.add(review)
    session.flush()
    _settle(session, inspection, [*so_far, review])
    return review


def undo(session: Session, review_id: int, *, reviewer: Actor) -> Review:
    """Take back a current review: the one before it, if any, is current again.

    The inspection returns to the queue it waited in before. One's own word is taken back by
    oneself; somebody else's by an engineer.

    Raises:
        Forbidden: if the reviewer is no user any more, or it is somebody else's word.
        NotFound: if there is no such review.
        Conflict: if it was undone already, or a later review stands on it.
    """
    require(session, reviewer, Role.OPERATOR)
    undone = session.get(Review, review_id)
    if undone is None:
        raise NotFound(f"there is no review {review_id}")
    if undone.reviewer != reviewer.name:
        require(session, reviewer, Role.ENGINEER)
    inspection = lock(session, Inspection, undone.inspection_id)
    so_far = standing(session, inspection.id)
    if not so_far or so_far[-1].id != review_id:
        raise Conflict(_not_current(session, undone, so_far[-1] if so_far else None))
    event = Review(
        inspection_id=inspection.id,
        camera_id=inspection.camera_id,
        reviewer=reviewer.name,
        decision=Decision.UNDO.value,
        queue=inspection.queue,
        undoes_id=review_id,
    )
    session.add(event)
    session.flush()
    _settle(session, inspection, so_far[:-1])
    return event


def _settle(session: Session, inspection: Inspection, reviews: list[Review]) -> None:
    """Let queue, label, claim and the labelled frame follow from the reviews that stand."""
    wants_two = session.scalars(
        select(Line.needs_second_opinion).where(Line.id == inspection.line_id)
    ).one()
    weighed = outcome(reviews)
    inspection.queue = weighed.queue(
        unreviewed_queue(inspection.verdict, inspection.audit_probability),
        needs_second_opinion=wants_two,
    )
    word = weighed.confirmed(inspection.queue)
    inspection.label = None if word is None else LABELS[word.decision].value
    inspection.defect_class = None if word is None else word.defect_class
    session.execute(delete(ReviewClaim).where(ReviewClaim.inspection_id == inspection.id))
    session.flush()
    samples.refresh(session, inspection.id)


def _require_somebody_else(inspection: Inspection, so_far: list[Review], reviewer: Actor) -> None:
    """Nobody agrees with themselves, or settles a dispute they are part of."""
    if inspection.queue not in OF_SOMEBODY_ELSE:
        return
    if any(r.reviewer == reviewer.name and r.decision != Decision.DISMISSED for r in so_far):
        wanted = (
            "second opinion" if inspection.queue == ReviewQueue.SECOND_OPINION else "deciding word"
        )
        raise Conflict(
            f"inspection {inspection.id} waits for a {wanted} of somebody else than "
            f"{reviewer.name!r}: leave it to a colleague, or take your own word back to change it"
        )


def current_review(session: Session, inspection_id: int) -> Review | None:
    """An inspection's current review, or None."""
    return current_reviews(session, [inspection_id]).get(inspection_id)


def current_reviews(session: Session, inspection_ids: Iterable[int]) -> dict[int, Review]:
    """The current reviews of several inspections; those without one are left out."""
    query = (
        select(Review)
        .where(Review.inspection_id.in_(list(inspection_ids)), *stands())
        .order_by(Review.id)
    )
    return {review.inspection_id: review for review in session.scalars(query)}


def _changed(inspection_id: int, now_current: Review | None) -> str:
    if now_current is None:
        return (
            f"the review of inspection {inspection_id} that you saw was undone meanwhile: "
            "load the inspection again and decide anew"
        )
    return (
        f"inspection {inspection_id} was reviewed meanwhile: {_words(now_current)}: "
        "go on to the next one, or load it again to add your own review"
    )


def _not_current(session: Session, undone: Review, now_current: Review | None) -> str:
    if undone.decision == Decision.UNDO.value:
        return f"review {undone.id} is an undo itself: review the inspection anew instead"
    by = session.scalar(select(Review).where(Review.undoes_id == undone.id))
    if by is not None:
        return (
            f"review {undone.id} was undone already by {by.reviewer}: there is nothing left to do"
        )
    words = _words(now_current) if now_current else "none"
    return f"a later review stands on review {undone.id}: {words}: undo that one first"


def _words(review: Review) -> str:
    at = f"{review.created_at:%Y-%m-%d %H:%M} UTC"
    return f"{review.decision} by {review.reviewer} at {at} (review {review.id})"
