"""All rows of a database as plain JSON, and back: the same on SQLite and PostgreSQL."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    LargeBinary,
    TableClause,
    Uuid,
    column,
    delete,
    func,
    inspect,
    select,
    table,
    update,
)

from db.errors import RowsInvalid
from db.tables import AuditChain, Base, LoginSession, ReviewClaim
from db.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from sqlalchemy import ColumnClause, Connection, Engine, Table
    from sqlalchemy.engine.interfaces import ReflectedColumn
    from sqlalchemy.types import TypeEngine

AT_ONCE = 1_000
#: Hold for minutes: nobody is logged in, or has a card in hand, on another day.
LEFT_OUT = frozenset({LoginSession.__tablename__, ReviewClaim.__tablename__})
_VERSION = "alembic_version"


def tables() -> list[Table]:
    """What is kept, each after those it refers to."""
    return [one for one in Base.metadata.sorted_tables if one.name not in LEFT_OUT]


def snapshot(engine: Engine) -> AbstractContextManager[Connection]:
    """A connection that sees the database as it is at its first query, whatever is written since.

    It holds up no writer.
    """
    connection = engine.connect()
    if engine.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN DEFERRED")
    else:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
    return connection


def dump(connection: Connection, source: Table) -> Iterator[dict[str, Any]]:
    """The rows of a table in the order of their keys, ready for JSON."""
    query = select(source).order_by(*source.primary_key)
    streamed = connection.execution_options(yield_per=AT_ONCE).execute(query)
    for row in streamed.mappings():
        yield {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


def is_empty(connection: Connection) -> bool:
    """True if no table has a row of anybody's."""
    there = _tables_there(connection)
    ours = set(there) - {AuditChain.__tablename__, _VERSION}
    return not any(
        connection.scalar(select(func.count()).select_from(there[name])) for name in sorted(ours)
    )


def load(connection: Connection, rows: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]) -> int:
    """Write rows into empty tables, in the caller's transaction; returns how many.

    Args:
        connection: to a database at the revision that the rows were dumped at.
        rows: table by table, each after those it refers to.

    Raises:
        RowsInvalid: if a table, a column or a value does not fit.
    """
    there = _tables_there(connection)
    later: list[tuple[TableClause, dict[str, Any]]] = []
    count = 0
    for name, found in rows:
        if name not in there or name == _VERSION:
            raise RowsInvalid(f"the database has no table {name!r}")
        into = there[name]
        if name == AuditChain.__tablename__:
            connection.execute(delete(into))  # its migration put one there
        for chunk in _chunks(_typed(into, row) for row in found):
            later += [(into, split) for row in chunk if (split := _put_off(into, row))]
            connection.execute(into.insert(), chunk)
            count += len(chunk)
        _go_on_counting(connection, into)
    for into, values in later:
        row = values.pop("id")
        connection.execute(update(into).where(into.c.id == row).values(values))
    return count


def _tables_there(connection: Connection) -> dict[str, TableClause]:
    """The tables of whatever revision, with the types of today's where these are known."""
    inspector = inspect(connection)
    return {
        name: table(name, *(column(c["name"], _type(name, c)) for c in inspector.get_columns(name)))
        for name in inspector.get_table_names()
    }


def _type(table_name: str, found: ReflectedColumn) -> TypeEngine[Any]:
    known = Base.metadata.tables.get(table_name)
    if known is None or found["name"] not in known.c:
        return found["type"]
    kind = known.c[found["name"]].type
    return JSON(none_as_null=True) if isinstance(kind, JSON) else kind


def _typed(into: TableClause, row: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := set(row) - set(into.c.keys()):
        raise RowsInvalid(f"table {into.name!r} has no column {min(unknown)!r}")
    try:
        return {name: _value(into.c[name], value) for name, value in row.items()}
    except (TypeError, ValueError) as exc:
        raise RowsInvalid(f"a row of table {into.name!r} cannot be read: {exc}") from exc


def _value(into: ColumnClause[Any], plain: Any) -> Any:
    kind = into.type
    if plain is None:
        return None
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(plain)
    if isinstance(kind, Uuid):
        return UUID(plain)
    if isinstance(kind, LargeBinary):
        return base64.b64decode(plain, validate=True)
    return plain


def _put_off(into: TableClause, row: dict[str, Any]) -> dict[str, Any]:
    """Take out of `row` what refers to a row that comes later, and give it back with its key."""
    known = Base.metadata.tables.get(into.name)
    if known is None:
        return {}
    values = {}
    for key in known.foreign_keys:
        name, wanted = key.parent.name, row.get(key.parent.name)
        if wanted is None:
            continue
        # Of the same table only if it must be: reviews cannot be changed, and name earlier ones.
        if key.use_alter or (key.column.table is known and wanted > row["id"]):
            values[name] = wanted
    if not values:
        return {}
    row |= dict.fromkeys(values)
    return {"id": row["id"], **values}


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _go_on_counting(connection: Connection, into: TableClause) -> None:
    """Let PostgreSQL number new rows after those that came with their numbers."""
    if connection.dialect.name != "postgresql" or "id" not in into.c:
        return
    newest = func.max(into.c.id)
    sequence = func.pg_get_serial_sequence(into.name, "id")
    connection.execute(select(func.setval(sequence, newest)).having(newest.is_not(None)))
