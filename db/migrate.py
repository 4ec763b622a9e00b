"""Bring the schema to another revision."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

from db.engine import check_place, make_engine
from db.errors import DatabaseUnavailable
from db.revision import refuse_unknown, revision_of
from db.roles import grant_to_those_there

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Connection

#: Any number of our own: who migrates a PostgreSQL database holds the advisory lock of this name.
MIGRATION_LOCK = 7_310_577_201


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Bring the database to `revision`; creates a missing SQLite file, but not its folder.

    One transaction: it is done wholly or not at all. Two at once take turns. Roles that were made
    before (`db.roles`) are granted what they need in the new one.

    Raises:
        DatabaseUnavailable: if the database cannot be reached.
        SchemaOutdated: if a newer version of the program migrated it already.
    """
    with _migrating(url) as connection:
        refuse_unknown(revision_of(connection))
        command.upgrade(_config(connection), revision)
        if revision == "head":
            grant_to_those_there(connection)


def downgrade(url: str | URL, revision: str) -> None:
    """Take migrations back down to `revision` ("base": all of them, with all data)."""
    with _migrating(url) as connection:
        refuse_unknown(revision_of(connection))
        command.downgrade(_config(connection), revision)


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


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "db:migrations")
    config.attributes["connection"] = connection
    return config
