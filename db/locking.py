"""Check first, then change, safely: the row is locked before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select, update

from db.errors import NotFound
from db.tables import Inspection, Line, ModelVersion, Sample, Teaching

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Row = TypeVar("Row", Line, Inspection, ModelVersion, Teaching, Sample)


def lock(session: Session, table: type[Row], row_id: int) -> Row:
    """The row as it is now, locked against other writers until the transaction ends.

    An update that changes nothing locks on both databases; SQLite knows no SELECT FOR UPDATE.

    Raises:
        NotFound: if there is no such row.
    """
    session.execute(update(table).where(table.id == row_id).values(id=table.id))
    row = session.scalar(
        select(table).where(table.id == row_id).execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound(f"there is no {table.__name__.lower()} with id {row_id}")
    return row
