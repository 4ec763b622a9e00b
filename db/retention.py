"""Which kept pictures may go, and letting them go: for `workers.retention`.

Kept for ever are the pictures of flagged, reviewed, audit-drawn and sampled frames. Others, and
those in quarantine, go by age or for space. The rows stay, without their pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select, text, update

from db.tables import UNASKED_PICTURE, Inspection, QuarantinedFrame, Review, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session

Row = TypeVar("Row", Inspection, QuarantinedFrame)


@dataclass(frozen=True, slots=True)
class LetGo:
    """Pictures that rows have let go of."""

    #: How many rows.
    rows: int
    #: What no row refers to any more, in the image store.
    keys: list[str]


def let_go_of_pass_frames(session: Session, *, before: datetime | None, limit: int) -> LetGo:
    """Forget the pictures and maps of the oldest PASS frames that nobody was asked about.

    The rows are locked until the transaction ends: delete what is returned before it does, so that
    nothing is left over whose rows have forgotten it. If the transaction fails after that, the same
    rows are found again, and the second deletion finds nothing to do.

    Args:
        before: only frames recorded before; None: however young.
        limit: of how many frames at most.
    """
    # As text, not as a parameter: otherwise SQLite does not see that the index fits.
    unasked = text(UNASKED_PICTURE)
    may_go = [~_is_reviewed(), ~_is_sampled()]
    if before is not None:
        may_go.append(Inspection.recorded_at < before)
    oldest = (
        select(Inspection.id).where(unasked, *may_go).order_by(Inspection.recorded_at).limit(limit)
    )
    rows = _lock(session, Inspection, session.scalars(oldest).all())
    # Once more: somebody may have reviewed one before it was locked.
    still = select(Inspection).where(Inspection.id.in_(rows), unasked, *may_go)
    found = session.scalars(still.execution_options(populate_existing=True)).all()
    keys = {key for row in found for key in (row.image_key, row.map_key) if key is not None}
    for row in found:
        row.image_key = row.map_key = row.map_low = row.map_high = None
    session.flush()
    return LetGo(len(found), unneeded(session, keys))


def let_go_of_quarantine(session: Session, *, before: datetime, limit: int) -> LetGo:
    """Forget the bytes of frames that are in quarantine since before a time.

    As for `let_go_of_pass_frames`, delete what is returned before the transaction ends.
    """
    old = [QuarantinedFrame.image_key.is_not(None), QuarantinedFrame.quarantined_at < before]
    oldest = select(QuarantinedFrame.id).where(*old).order_by(QuarantinedFrame.id).limit(limit)
    rows = _lock(session, QuarantinedFrame, session.scalars(oldest).all())
    query = select(QuarantinedFrame).where(QuarantinedFrame.id.in_(rows), *old)
    found = session.scalars(query.execution_options(populate_existing=True)).all()
    keys = {row.image_key for row in found if row.image_key is not None}
    for row in found:
        row.image_key = None
    session.flush()
    return LetGo(len(found), unneeded(session, keys))


def _is_reviewed() -> ColumnElement[bool]:
    """Any review event counts, those undone too: what a person has seen stays to be looked up."""
    return select(Review.id).where(Review.inspection_id == Inspection.id).exists()


def _is_sampled() -> ColumnElement[bool]:
    return (
        select(Sample.id)
        .where(Sample.line_id == Inspection.line_id, Sample.frame_id == Inspection.frame_id)
        .exists()
    )


def _lock(session: Session, table: type[Row], ids: Sequence[int]) -> list[int]:
    locked = update(table).where(table.id.in_(ids)).values(id=table.id)
    return list(session.scalars(locked.returning(table.id))) if ids else []


def unneeded(session: Session, keys: Iterable[str]) -> list[str]:
    """Those that no row names: the same bytes are stored once, whoever keeps them.

    Snapshots name nothing that their samples and reviews do not name.
    """
    left = set(keys)
    columns: tuple[InstrumentedAttribute[str | None] | InstrumentedAttribute[str], ...] = (
        Inspection.image_key,
        Inspection.map_key,
        Sample.image_key,
        Sample.mask_key,
        Review.mask_key,
        QuarantinedFrame.image_key,
    )
    for column in columns:
        if left:
            needed = select(column).where(column.in_(sorted(left))).distinct()
            left.difference_update(key for key in session.scalars(needed) if key is not None)
    return sorted(left)
