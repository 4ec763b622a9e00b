"""The review queues across lines, filtered, read from any place, for pages with one card at a time.

Each line's open inspections stand in an index of their own, in the order they are shown; what a
filter leaves out is passed over there, however many inspections are done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal_column, select

from db import review_claims
from db.inspections import InspectionView, select_views
from db.opinions import OF_SOMEBODY_ELSE, stands
from db.tables import Decision, Inspection, ModelVersion, Review, ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a queue is meant; None: no limit."""

    line_ids: tuple[int, ...]
    queue: ReviewQueue = ReviewQueue.FLAGGED
    camera_id: int | None = None
    #: When the frame was captured.
    since: datetime | None = None
    until: datetime | None = None
    #: Raw image scores, both ends included. Not for the audit queue, which is blind.
    score_from: float | None = None
    score_to: float | None = None
    #: The class that an earlier review named.
    defect_class: str | None = None
    #: The number of the model version, which counts from 1 in each line.
    model_number: int | None = None
    #: Whose own words are left out, where somebody else is asked.
    reviewer: str | None = None
    #: The browser session: cards on show in others are left out.
    holder: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Conditions on Inspection, but for the line."""
        asked: list[ColumnElement[bool]] = [Inspection.queue == self.queue.value]
        if self.camera_id is not None:
            asked.append(Inspection.camera_id == self.camera_id)
        if self.since is not None:
            asked.append(Inspection.captured_at >= self.since)
        if self.until is not None:
            asked.append(Inspection.captured_at < self.until)
        if self.queue is not ReviewQueue.AUDIT:
            if self.score_from is not None:
                asked.append(Inspection.score >= self.score_from)
            if self.score_to is not None:
                asked.append(Inspection.score <= self.score_to)
        if self.model_number is not None:
            of_number = ModelVersion.number == self.model_number
            numbered = select(ModelVersion.id).where(
                of_number, ModelVersion.line_id.in_(self.line_ids)
            )
            asked.append(Inspection.model_version_id.in_(numbered))
        if self.defect_class is not None:
            asked.append(_spoke(Review.defect_class == self.defect_class))
        if self.reviewer is not None and self.queue in OF_SOMEBODY_ELSE:
            own = (Review.reviewer == self.reviewer, Review.decision != Decision.DISMISSED.value)
            asked.append(~_spoke(*own))
        if self.holder is not None:
            asked.append(review_claims.is_free_for(self.holder))
        return asked


def newest_open(
    session: Session, wanted: Wanted, *, older_than: int | None = None, limit: int = 1
) -> list[InspectionView]:
    """Inspections that wait, newest first; `older_than` begins after the one of that id."""
    place = [] if older_than is None else [Inspection.id < older_than]
    return _nearest(session, wanted, place, newest_first=True, limit=limit)


def next_newer(session: Session, wanted: Wanted, newer_than: int) -> InspectionView | None:
    """The inspection that comes just before the one of id `newer_than` in the queue."""
    place = [Inspection.id > newer_than]
    found = _nearest(session, wanted, place, newest_first=False, limit=1)
    return found[0] if found else None


def take(
    session: Session, wanted: Wanted, *, older_than: int | None = None, limit: int = 1
) -> list[InspectionView]:
    """Claim the newest inspection that waits, and give it and those after it.

    Commit before the card is shown, so that others see the claim.
    """
    if wanted.holder is None:
        raise ValueError("a claim needs a holder: say which browser session shows the card")
    while True:
        found = newest_open(session, wanted, older_than=older_than, limit=limit)
        held = review_claims.claim(session, wanted.holder, [view.id for view in found])
        if held is not None and not _waits(session, wanted, held):
            # Decided by whoever held it until now.
            review_claims.release(session, wanted.holder)
        elif held is not None or not found:
            return [view for view in found if held is not None and view.id <= held]
        older_than = found[-1].id if held is None else held


def count_open(session: Session, wanted: Wanted) -> int:
    """How many inspections wait; those on show elsewhere are left out where there is a holder."""
    query = select(func.count()).select_from(Inspection)
    of_lines = Inspection.line_id.in_(wanted.line_ids)
    return session.scalars(query.where(of_lines, *wanted.conditions())).one()


def counts(session: Session, wanted: Wanted) -> dict[ReviewQueue, int]:
    """How many wait in each queue under the same filter."""
    of_lines = (Inspection.line_id.in_(wanted.line_ids), Inspection.queue.is_not(None))
    query = select(Inspection.queue, func.count()).where(*of_lines).group_by(Inspection.queue)
    waiting = {row[0]: row[1] for row in session.execute(query)}
    # What is empty without filters needs no second look.
    return {
        queue: count_open(session, replace(wanted, queue=queue)) if waiting.get(queue) else 0
        for queue in ReviewQueue
    }


def model_numbers(session: Session, line_ids: Iterable[int]) -> list[int]:
    """The numbers of the lines' model versions, newest first."""
    query = select(ModelVersion.number).where(ModelVersion.line_id.in_(list(line_ids)))
    return list(session.scalars(query.distinct().order_by(ModelVersion.number.desc())))


def _nearest(
    session: Session,
    wanted: Wanted,
    place: list[ColumnElement[bool]],
    *,
    newest_first: bool,
    limit: int,
) -> list[InspectionView]:
    """The first `limit` of several lines; each line's are read from the index, in its order."""
    order = Inspection.id.desc() if newest_first else Inspection.id.asc()
    found: list[InspectionView] = []
    for line_id in wanted.line_ids:
        query = select_views().where(Inspection.line_id == line_id, *wanted.conditions(), *place)
        rows = session.execute(query.order_by(order).limit(limit))
        found += [InspectionView(*row) for row in rows]
    return sorted(found, key=lambda view: view.id, reverse=newest_first)[:limit]


def _waits(session: Session, wanted: Wanted, inspection_id: int) -> bool:
    waits_in = session.scalar(select(Inspection.queue).where(Inspection.id == inspection_id))
    return waits_in == wanted.queue.value


def _spoke(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Condition on Inspection: one of its standing reviews is such."""
    query: Select[Any] = select(literal_column("1")).where(
        Review.inspection_id == Inspection.id, *conditions, *stands()
    )
    return query.exists()
