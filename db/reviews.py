"""Reviews: people's words on inspections.

Reviews are append-only events. An inspection's current review is its latest one not undone.
Whoever reviews says which review was current when they looked (`after`); if another person's word
came in between, theirs is refused, so nobody overrules a colleague without having seen it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import aliased

from db.access import require
from db.errors import Conflict, NotFound
from db.inspections import unreviewed_queue
from db.locking import lock
from db.tables import Decision, Inspection, Review, Role

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from db.access import Actor


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
    """Add a person's word on an inspection, which leaves the queue.

    Args:
        after: id of the review that was current when the reviewer looked; None: there was none. A
            second opinion or a correction thus names the review it follows.
        defect_class: which defect, where it is one.
        mask_key: the drawn or accepted mask in the image store.

    Raises:
        Forbidden: if the reviewer is no user any more.
        NotFound: if there is no such inspection.
        Conflict: if another review came in between, or the one looked at was undone.
    """
    if decision is Decision.UNDO:
        raise ValueError("undo is no decision of its own: call undo with the review to take back")
    require(session, reviewer, Role.OPERATOR)
    inspection = lock(session, Inspection, inspection_id)
    now_current = current_review(session, inspection_id)
    if (now_current.id if now_current else None) != after:
        raise Conflict(_changed(inspection_id, now_current))
    review = Review(
        inspection_id=inspection_id,
        reviewer=reviewer.name,
        decision=decision.value,
        defect_class=defect_class,
        mask_key=mask_key,
    )
    session.add(review)
    inspection.queue = None
    session.flush()
    return review


def undo(session: Session, review_id: int, *, reviewer: Actor) -> Review:
    """Take back a current review: the one before it, if any, is current again.

    Without one before it, a flagged inspection returns to the queue.

    Raises:
        Forbidden: if the reviewer is no user any more.
        NotFound: if there is no such review.
        Conflict: if it was undone already, or a later review stands on it.
    """
    require(session, reviewer, Role.OPERATOR)
    undone = session.get(Review, review_id)
    if undone is None:
        raise NotFound(f"there is no review {review_id}")
    inspection = lock(session, Inspection, undone.inspection_id)
    now_current = current_review(session, inspection.id)
    if now_current is None or now_current.id != review_id:
        raise Conflict(_not_current(session, undone, now_current))
    event = Review(
        inspection_id=inspection.id,
        reviewer=reviewer.name,
        decision=Decision.UNDO.value,
        undoes_id=review_id,
    )
    session.add(event)
    session.flush()
    if current_review(session, inspection.id) is None:
        inspection.queue = unreviewed_queue(inspection.verdict, inspection.audit_probability)
    session.flush()
    return event


def current_review(session: Session, inspection_id: int) -> Review | None:
    """An inspection's current review, or None."""
    return current_reviews(session, [inspection_id]).get(inspection_id)


def current_reviews(session: Session, inspection_ids: Iterable[int]) -> dict[int, Review]:
    """The current reviews of several inspections; those without one are left out."""
    query = (
        select(Review)
        .where(Review.inspection_id.in_(list(inspection_ids)), *_stands())
        .order_by(Review.id)
    )
    return {review.inspection_id: review for review in session.scalars(query)}


def history(session: Session, inspection_id: int) -> list[Review]:
    """Every event on an inspection, undoes included, oldest first."""
    query = select(Review).where(Review.inspection_id == inspection_id)
    return list(session.scalars(query.order_by(Review.id)))


def latest_reviews(
    session: Session, line_id: int, *, reviewer: str | None = None, limit: int = 20
) -> list[Review]:
    """A line's latest reviews not undone, newest first: what a person may want to undo."""
    query = (
        select(Review)
        .join(Inspection, Inspection.id == Review.inspection_id)
        .where(Inspection.line_id == line_id, *_stands())
    )
    if reviewer is not None:
        query = query.where(Review.reviewer == reviewer)
    return list(session.scalars(query.order_by(Review.id.desc()).limit(limit)))


def count_decisions(session: Session, line_id: int, since: datetime) -> dict[Decision, int]:
    """How many reviews since a time, those undone left out, by decision.

    DISMISSED is counted by itself: those were cleared, not reviewed.
    """
    query = (
        select(Review.decision, func.count())
        .join(Inspection, Inspection.id == Review.inspection_id)
        .where(Inspection.line_id == line_id, Review.created_at >= since, *_stands())
        .group_by(Review.decision)
    )
    found = {row[0]: row[1] for row in session.execute(query)}
    return {d: found.get(d.value, 0) for d in Decision if d is not Decision.UNDO}


def _stands() -> tuple[ColumnElement[bool], ...]:
    """Conditions on Review: it is a decision, and it was not undone."""
    later = aliased(Review)
    undone = select(literal_column("1")).where(later.undoes_id == Review.id).exists()
    return Review.decision != Decision.UNDO.value, ~undone


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
