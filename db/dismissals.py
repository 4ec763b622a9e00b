"""Bulk dismissal: clearing a queue without looking. Recorded as dismissed, never as reviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from db import audit
from db.access import require
from db.tables import Decision, Inspection, Line, Review, ReviewClaim, Role

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.access import Actor
    from db.review_queue import Wanted

#: Inspections a statement touches, so that none holds thousands of parameters.
CHUNK = 500


def dismiss(session: Session, wanted: Wanted, *, reviewer: Actor, up_to: int | None = None) -> int:
    """Dismiss all inspections that wait in a queue under a filter; returns how many they were.

    All of it is one transaction of the caller's, with one audit event. Cards on show in other
    browsers stay. Nothing was confirmed about what waits in a queue, so no labelled frame changes.

    Args:
        wanted: which ones.
        reviewer: who dismisses them.
        up_to: id of the newest one the reviewer knew of; None: all there are now.

    Raises:
        Forbidden: if the reviewer is no user any more.
    """
    require(session, reviewer, Role.OPERATOR)
    dismissed, below = 0, None if up_to is None else up_to + 1
    while ids := _next_chunk(session, wanted, below):
        below = ids[-1]
        dismissed += _dismiss_chunk(session, wanted, ids, reviewer)
    if dismissed:
        names = session.scalars(select(Line.name).where(Line.id.in_(wanted.line_ids)))
        audit.append(
            session,
            actor=reviewer,
            action="reviews.dismissed",
            subject=f"queue:{wanted.queue.value}",
            count=dismissed,
            lines=sorted(names),
            filters=_told(wanted),
        )
    return dismissed


def _next_chunk(session: Session, wanted: Wanted, below: int | None) -> list[int]:
    query = select(Inspection.id).where(
        Inspection.line_id.in_(wanted.line_ids), *wanted.conditions()
    )
    if below is not None:
        query = query.where(Inspection.id < below)
    # Locked in one order, where rows are locked: two people who dismiss at once wait in no ring.
    ordered = query.order_by(Inspection.id.desc()).limit(CHUNK)
    return list(session.scalars(ordered.with_for_update(of=Inspection)))


def _dismiss_chunk(session: Session, wanted: Wanted, ids: list[int], reviewer: Actor) -> int:
    # Only those that still wait: the update takes the locks that single reviews take.
    clear = (
        update(Inspection)
        .where(Inspection.id.in_(ids), Inspection.queue == wanted.queue.value)
        .values(queue=None)
        .returning(Inspection.id, Inspection.camera_id)
    )
    cleared = {row.id: row.camera_id for row in session.execute(clear)}
    if not cleared:
        return 0
    event = {
        "reviewer": reviewer.name,
        "decision": Decision.DISMISSED.value,
        "queue": wanted.queue.value,
    }
    rows = [
        {**event, "inspection_id": each, "camera_id": camera} for each, camera in cleared.items()
    ]
    session.execute(insert(Review), rows)
    session.execute(delete(ReviewClaim).where(ReviewClaim.inspection_id.in_(cleared)))
    return len(cleared)


def _told(wanted: Wanted) -> dict[str, Any]:
    """The filter as JSON, what is not limited left out."""
    limits = {
        "camera_id": wanted.camera_id,
        "since": wanted.since and wanted.since.isoformat(),
        "until": wanted.until and wanted.until.isoformat(),
        "score_from": wanted.score_from,
        "score_to": wanted.score_to,
        "defect_class": wanted.defect_class,
        "model_number": wanted.model_number,
    }
    return {name: limit for name, limit in limits.items() if limit is not None}
