"""The review queue across lines, read from any place in it, for pages with one card at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from db.inspections import InspectionView, select_views
from db.tables import Inspection, ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


def newest_open(
    session: Session,
    line_ids: Iterable[int],
    *,
    camera_id: int | None = None,
    older_than: int | None = None,
    limit: int = 1,
) -> list[InspectionView]:
    """Flagged inspections that wait for a review, newest first.

    Args:
        camera_id: only this camera's.
        older_than: begin after the inspection of this id.
    """
    place = [] if older_than is None else [Inspection.id < older_than]
    return _nearest(session, line_ids, camera_id, place, newest_first=True, limit=limit)


def next_newer(
    session: Session, line_ids: Iterable[int], newer_than: int, *, camera_id: int | None = None
) -> InspectionView | None:
    """The flagged inspection that comes just before the one of id `newer_than` in the queue."""
    place = [Inspection.id > newer_than]
    found = _nearest(session, line_ids, camera_id, place, newest_first=False, limit=1)
    return found[0] if found else None


def count_open(session: Session, line_ids: Iterable[int], *, camera_id: int | None = None) -> int:
    """How many flagged inspections wait for a review."""
    waiting = (Inspection.queue == ReviewQueue.FLAGGED, Inspection.line_id.in_(list(line_ids)))
    query = select(func.count()).select_from(Inspection).where(*waiting)
    if camera_id is not None:
        query = query.where(Inspection.camera_id == camera_id)
    return session.scalars(query).one()


def _nearest(
    session: Session,
    line_ids: Iterable[int],
    camera_id: int | None,
    place: list[ColumnElement[bool]],
    *,
    newest_first: bool,
    limit: int,
) -> list[InspectionView]:
    """The first `limit` of several lines; each line's are read from the index, in its order."""
    if camera_id is not None:
        place = [*place, Inspection.camera_id == camera_id]
    order = Inspection.id.desc() if newest_first else Inspection.id.asc()
    found: list[InspectionView] = []
    for line_id in line_ids:
        query = select_views().where(
            Inspection.line_id == line_id, Inspection.queue == ReviewQueue.FLAGGED
        )
        rows = session.execute(query.where(*place).order_by(order).limit(limit))
        found += [InspectionView(*row) for row in rows]
    return sorted(found, key=lambda view: view.id, reverse=newest_first)[:limit]
