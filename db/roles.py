"""PostgreSQL roles: what each kind of process may do with each table, and no more.

Nobody but the owner, who migrates, can change or remove what only grows: the audit trail and
reviews. SQLite knows no roles; there triggers stand alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from db.errors import MayNotMakeRoles
from db.tables import Base

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sqlalchemy import Connection, Engine

VERSION_TABLE = "alembic_version"
#: What only the dashboard has to do with: who may log in, who is, and whose card is whose.
PEOPLE = frozenset({"users", "login_sessions", "review_claims"})
_EVERY_TABLE = frozenset(Base.metadata.tables) | {VERSION_TABLE}
#: Of every change: an event, and the newest hash of its chain.
_AUDIT = {"audit_events": "INSERT", "audit_chain": "UPDATE"}


@dataclass(frozen=True, slots=True, eq=False)
class Role:
    """A role to log in with."""

    name: str
    #: Whose it is, in words.
    of: str
    reads: Collection[str]
    #: Table -> what else; UPDATE with columns is of these only.
    writes: Mapping[str, str] = field(default_factory=dict)

    def login(self, database: str) -> str:
        """Its name on the server, which other databases may share."""
        return f"{database}_{self.name}"


WORKER = Role(
    "worker",
    "scoring workers, trainer and scheduler",
    _EVERY_TABLE - PEOPLE,
    {
        **_AUDIT,
        "lines": "UPDATE",
        "cameras": "INSERT, UPDATE",
        "inspections": "INSERT, UPDATE (id, image_key, map_key, map_low, map_high)",
        "quarantine": "INSERT, UPDATE (id, image_key)",
        "shadow_verdicts": "INSERT",
        "samples": "INSERT, UPDATE",
        "teachings": "UPDATE",
        "dataset_snapshots": "INSERT",
        "snapshot_items": "INSERT",
        "retrainings": "INSERT, UPDATE",
        "model_versions": "INSERT, UPDATE",
        "threshold_changes": "INSERT",
    },
)
DASHBOARD = Role(
    "dashboard",
    "the dashboard",
    _EVERY_TABLE,
    {
        **_AUDIT,
        "users": "INSERT, UPDATE",
        "login_sessions": "INSERT, UPDATE, DELETE",
        "review_claims": "INSERT, UPDATE, DELETE",
        "reviews": "INSERT",
        "inspections": "UPDATE (id, queue, label, defect_class)",
        "samples": "INSERT, UPDATE, DELETE",
        "defect_classes": "INSERT, UPDATE",
        "lines": "INSERT, UPDATE",
        "model_versions": "UPDATE (id, review_threshold, reject_threshold, retired_at)",
        "threshold_changes": "INSERT",
        "retrainings": "INSERT, UPDATE",
        "teachings": "INSERT, UPDATE",
    },
)
METRICS = Role(
    "metrics", "linewatch metrics", {"lines", "model_versions", "retrainings", VERSION_TABLE}
)
ROLES = (WORKER, DASHBOARD, METRICS)


def make_roles(engine: Engine, passwords: Mapping[str, str]) -> list[str]:
    """Make the roles, or give those there these passwords, and grant what each needs.

    The server never sees a password, only what it checks one with.

    Args:
        engine: as the owner of the tables, who may create roles.
        passwords: by `Role.name`.

    Returns:
        The names to log in with, in the order of `ROLES`.

    Raises:
        DatabaseUnavailable: if the server cannot be reached.
        MayNotMakeRoles: if this user may not.
    """
    try:
        with engine.begin() as connection:
            there = _those_there(connection)
            for role in ROLES:
                login = role.login(_database(connection))
                verifier = _verifier(connection, passwords[role.name], login)
                connection.exec_driver_sql(
                    f"{'ALTER' if role in there else 'CREATE'} ROLE {_quoted(connection, login)} "
                    "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT "
                    f"PASSWORD '{verifier}'"
                )
                _grant(connection, role)
            return [role.login(_database(connection)) for role in ROLES]
    except ProgrammingError as exc:
        raise MayNotMakeRoles(
            f"{engine.url.username} cannot make roles ({_first_line(exc.orig)}): run this as the "
            "owner of the tables, with the right CREATEROLE"
        ) from exc


def grant_to_those_there(connection: Connection) -> None:
    """Grant what this version needs to roles that were made before; on SQLite, nothing to do."""
    if connection.dialect.name == "postgresql":
        for role in _those_there(connection):
            _grant(connection, role)


def is_owner(connection: Connection) -> bool:
    """Whether this user may change what only grows: the tables' owner, or a superuser."""
    if connection.dialect.name != "postgresql":
        return False
    query = text(
        "SELECT rolsuper OR pg_has_role(relowner, 'USAGE') FROM pg_roles, pg_class "
        "WHERE rolname = current_user AND pg_class.oid = to_regclass('audit_events')"
    )
    return bool(connection.scalar(query))


def _those_there(connection: Connection) -> list[Role]:
    found = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
    return [role for role in ROLES if role.login(_database(connection)) in found]


def _verifier(connection: Connection, password: str, login: str) -> str:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - it is connected
    encrypted: bytes = driver.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    )
    return encrypted.decode("ascii")


def _grant(connection: Connection, role: Role) -> None:
    for statement in _statements(connection, role):
        connection.exec_driver_sql(statement)


def _statements(connection: Connection, role: Role) -> Iterator[str]:
    database = _database(connection)
    login = _quoted(connection, role.login(database))
    yield f"GRANT CONNECT ON DATABASE {_quoted(connection, database)} TO {login}"
    yield f"GRANT USAGE ON SCHEMA public TO {login}"
    # Databases from before PostgreSQL 15 let everybody make tables there.
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    # What an earlier version granted, and this one does not need, goes.
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {login}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {login}"
    for table in sorted(role.reads):
        yield f"GRANT SELECT ON {table} TO {login}"
    for table, what in role.writes.items():
        yield f"GRANT {what} ON {table} TO {login}"
        if "INSERT" in what and _is_numbered(table):
            yield f"GRANT USAGE ON SEQUENCE {table}_id_seq TO {login}"


def _is_numbered(table: str) -> bool:
    column = Base.metadata.tables[table].autoincrement_column
    return column is not None and not column.foreign_keys


def _database(connection: Connection) -> str:
    return str(connection.engine.url.database)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or [""])[0]
