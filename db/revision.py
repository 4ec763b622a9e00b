"""Which revision of the schema the database is at, and which one this program works with.

Every process asks at its start: Alembic, which takes a tenth of a second to import, is left to
`db.migrate`.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from db.engine import check_place, describe, is_missing_file
from db.errors import SchemaOutdated

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def revisions() -> list[str]:
    """All there are, oldest first: the numbers their files are named by."""
    found = (entry.name for entry in files("db.migrations.versions").iterdir())
    return sorted(name.split("_")[0] for name in found if name[:1].isdigit())


def head() -> str:
    """The revision this version of the program works with."""
    return revisions()[-1]


def current(engine: Engine) -> str | None:
    """The database's revision; None before the first migration."""
    check_place(engine.url)
    if is_missing_file(engine.url):
        return None
    with engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    """The revision of the database that is connected to; None before the first migration."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def check(engine: Engine) -> None:
    """Raise SchemaOutdated, with what to do, unless the database is at this program's revision."""
    found, wanted = current(engine), head()
    if found == wanted:
        return
    refuse_unknown(found)
    state = "has no tables yet" if found is None else f"is at revision {found}, not {wanted}"
    raise SchemaOutdated(f"the database {describe(engine.url)} {state}: run `linewatch db upgrade`")


def refuse_unknown(revision: str | None) -> None:
    """Raise SchemaOutdated if a newer version of the program has migrated to `revision`."""
    if revision is not None and revision not in revisions():
        raise SchemaOutdated(
            f"the database is at revision {revision}, which this version of linewatch does not "
            f"know (it ends at {head()}): upgrade linewatch"
        )
