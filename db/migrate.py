"""The schema's version: bring it up to date, and refuse to work on another."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from db.engine import check_place, describe, is_missing_file, make_engine
from db.errors import DatabaseUnavailable, SchemaOutdated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Connection, Engine

#: Any number of our own: who migrates a PostgreSQL database holds the advisory lock of this name.
MIGRATION_LOCK = 7_310_577_201


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Bring the database to `revision`; creates a missing SQLite file, but not its folder.

    One transaction: it is done wholly or not at all. Two at once take turns.

    Raises:
        DatabaseUnavailable: if the database cannot be reached.
        SchemaOutdated: if a newer version of the program migrated it already.
    """
    with _migrating(url) as connection:
        _refuse_unknown(_current(connection))
        command.upgrade(_config(connection), revision)


def downgrade(url: str | URL, revision: str) -> None:
    """Take migrations back down to `revision` ("base": all of them, with all data)."""
    with _migrating(url) as connection:
        _refuse_unknown(_current(connection))
        command.downgrade(_config(connection), revision)


def head() -> str:
    """The revision this version of the program works with."""
    revision = _scripts().get_current_head()
    if revision is None:
        raise AssertionError("the package holds no migrations")
    return revision


def current(engine: Engine) -> str | None:
    """The database's revision; None before the first migration."""
    check_place(engine.url)
    if is_missing_file(engine.url):
        return None
    with engine.connect() as connection:
        return _current(connection)


def check(engine: Engine) -> None:
    """Raise SchemaOutdated, with what to do, unless the database is at this program's revision."""
    found, wanted = current(engine), head()
    if found == wanted:
        return
    _refuse_unknown(found)
    state = "has no tables yet" if found is None else f"is at revision {found}, not {wanted}"
    raise SchemaOutdated(f"the database {describe(engine.url)} {state}: run `linewatch db upgrade`")


@contextmanager
def _migrating(url: str | URL) -> Iterator[Connection]:
    """A connection inside a transaction that nobody else can migrate in."""
    engine = make_engine(url)
    try:
        check_place(engine.url)
        with engine.connect() as connection:
            sqlite = connection.dialect.name == "sqlite"
            if sqlite:
                # Copying a table drops the old one, which its references would forbid.
                connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
                # The driver begins no transaction before DDL.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            yield connection
            if sqlite:
                _check_references(connection)
            connection.commit()
    finally:
        engine.dispose()


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise DatabaseUnavailable(
            f"{len(broken)} rows of table {broken[0][0]!r} refer to rows that do not exist: "
            "nothing was migrated; restore the database from a backup"
        )


def _refuse_unknown(revision: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaOutdated(
            f"the database is at revision {revision}, which this version of linewatch does not "
            f"know (it ends at {head()}): upgrade linewatch"
        )


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "db:migrations")
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "db:migrations")
    return ScriptDirectory.from_config(config)
