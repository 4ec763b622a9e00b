"""Watches what a package says to the database, and that its PostgreSQL role may say it.

So every test of that package, on whatever database, is a test of the role's grants.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from db.roles import VERSION_TABLE
from db.tables import Base

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db.roles import Role

ROOT = Path(__file__).parents[1]
_WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)", re.IGNORECASE)
_READS = re.compile(r"\b(?:FROM|JOIN)\s+\"?(\w+)", re.IGNORECASE)
_SET = re.compile(r"\bSET (.*?)(?: WHERE | RETURNING |$)", re.DOTALL)
_COLUMN = re.compile(r"(?:^|, ?)\"?(\w+)\"? ?=")
_TABLES = frozenset(Base.metadata.tables) | {VERSION_TABLE}


@contextmanager
def within_grants(package: str, role: Role) -> Iterator[None]:
    """AssertionError, in the end too, where code of `package` says what `role` may not."""
    folder, missing = f"{ROOT / package}/", set()

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if _is_called_from(folder) and (refused := refused_in(statement, role)):
            missing.add(refused)
            raise AssertionError(f"db.roles does not grant {role.name}: {refused}\n{statement}")

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", look)
    assert not missing, f"db.roles does not grant {role.name}: {', '.join(missing)}"


def refused_in(statement: str, role: Role) -> str | None:
    """What of a statement `role` may not do; None: nothing."""
    writes = _WRITES.match(statement)
    for table in _READS.findall(statement):
        if table in _TABLES - set(role.reads):
            return f"SELECT on {table}"
    if writes is None:
        return None
    verb, table = writes[1].split()[0].upper(), writes[2]
    granted = role.writes.get(table, "")
    if verb not in re.findall("[A-Z]+", granted):
        return f"{verb} on {table}"
    columns = re.search(r"UPDATE \(([^)]*)\)", granted)
    changed = _SET.search(statement)
    if verb == "UPDATE" and columns and changed:
        more = set(_COLUMN.findall(changed[1])) - set(columns[1].split(", "))
        return f"UPDATE on {table} ({', '.join(sorted(more))})" if more else None
    return None


def _is_called_from(folder: str) -> bool:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith(folder):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
