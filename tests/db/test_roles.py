"""Roles on a real PostgreSQL: what each may do, and that nothing else is allowed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from db import audit, migrate
from db.access import trusted
from db.audit_chain import verify
from db.engine import make_engine
from db.errors import DatabaseUnavailable, MayNotMakeRoles
from db.lines import add_line
from db.roles import DASHBOARD, METRICS, ROLES, WORKER, Role, make_roles
from db.tables import Base
from tests.granted import refused_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from tests.conftest import Databases

PASSWORDS = {role.name: f"secret of '{role.name}" for role in ROLES}
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
TABLES = sorted(Base.metadata.tables)


@pytest.fixture(scope="module")
def owner(open_databases: Callable[[str], Databases]) -> Iterator[Engine]:
    databases = open_databases("postgresql")
    url = databases.make()
    migrate.upgrade(url)
    engine = make_engine(url)
    logins = make_roles(engine, PASSWORDS)
    with Session(engine) as session, session.begin():
        add_line(session, "press", actor=trusted("ana"))
    yield engine
    engine.dispose()
    databases.drop(url, logins)


def address(owner: Engine, role: Role, password: str | None = None) -> str:
    url = owner.url.set(
        username=role.login(str(owner.url.database)),
        password=PASSWORDS[role.name] if password is None else password,
        host=owner.url.host or "127.0.0.1",
    )
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def connect(owner: Engine) -> Iterator[Callable[[Role], Engine]]:
    engines = {role: make_engine(address(owner, role)) for role in ROLES}
    yield engines.__getitem__
    for engine in engines.values():
        engine.dispose()


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_may_do_what_is_written_here_and_nothing_else(owner: Engine, role: Role) -> None:
    login = role.login(str(owner.url.database))
    with owner.connect() as connection:
        for table in [*TABLES, "alembic_version"]:
            words = role.writes.get(table, "")
            whole = set(re.sub(r"\w+ \([^)]*\)", "", words).replace(",", " ").split())
            whole |= {"SELECT"} if table in role.reads else set()
            for verb in (
                "SELECT",
                "INSERT",
                "UPDATE",
                "DELETE",
                "TRUNCATE",
                "TRIGGER",
                "REFERENCES",
            ):
                query = text("SELECT has_table_privilege(:login, :table, :verb)")
                found = connection.scalar(query, {"login": login, "table": table, "verb": verb})
                assert found == (verb in whole), (role.name, verb, table)
            for column in Base.metadata.tables[table].c if table in TABLES else ():
                listed = re.search(r"UPDATE \(([^)]*)\)", words)
                wanted = "UPDATE" in whole or (
                    listed is not None and column.name in listed[1].split(", ")
                )
                query = text("SELECT has_column_privilege(:login, :table, :column, 'UPDATE')")
                names = {"login": login, "table": table, "column": column.name}
                assert connection.scalar(query, names) == wanted, names


@pytest.mark.parametrize("role", [WORKER, DASHBOARD], ids=lambda role: role.name)
def test_a_change_and_its_audit_event_can_be_written(
    role: Role, connect: Callable[[Role], Engine]
) -> None:
    with Session(connect(role)) as session, session.begin():
        audit.append(session, actor=trusted("ana"), action="test", subject="s")

    with Session(connect(DASHBOARD)) as session:
        assert verify(session).problem is None


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        *[
            (role, statement)
            for role in ROLES
            for statement in (
                "UPDATE audit_events SET actor = 'nobody'",
                "DELETE FROM audit_events",
                "TRUNCATE audit_events",
                "ALTER TABLE audit_events DISABLE TRIGGER ALL",
                "DROP TRIGGER audit_events_no_update ON audit_events",
                "SET session_replication_role = replica",
                "DELETE FROM reviews",
                "UPDATE reviews SET decision = 'good'",
                "DELETE FROM inspections",
                "UPDATE inspections SET verdict = 'PASS'",
                "CREATE TABLE mine (id integer)",
                "DROP TABLE lines",
                "COPY lines TO PROGRAM 'true'",
                "CREATE ROLE more",
                "UPDATE alembic_version SET version_num = '1'",
            )
        ],
        (WORKER, "SELECT password_hash FROM users"),
        (WORKER, "UPDATE users SET role = 'admin'"),
        (WORKER, "SELECT token_sha256 FROM login_sessions"),
        (WORKER, "INSERT INTO reviews (decision) VALUES ('good')"),
        (DASHBOARD, "INSERT INTO inspections (verdict) VALUES ('PASS')"),
        (DASHBOARD, "UPDATE model_versions SET artifact_path = '/tmp/mine'"),
        (DASHBOARD, "INSERT INTO model_versions (artifact_path) VALUES ('/tmp/mine')"),
        (METRICS, "SELECT name FROM users"),
        (METRICS, "UPDATE lines SET name = 'x'"),
    ],
)
def test_what_is_not_granted_is_refused(
    role: Role, statement: str, connect: Callable[[Role], Engine]
) -> None:
    with (
        connect(role).connect() as connection,
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner|must be superuser"),
    ):
        connection.execute(text(statement))


def test_the_server_keeps_no_password(owner: Engine) -> None:
    with owner.connect() as connection:
        stored = connection.scalar(
            text("SELECT rolpassword FROM pg_authid WHERE rolname = :name"),
            {"name": WORKER.login(str(owner.url.database))},
        )

    assert stored.startswith("SCRAM-SHA-256$")
    assert PASSWORDS["worker"] not in stored


def test_a_migration_grants_what_it_needs_again(
    owner: Engine, connect: Callable[[Role], Engine]
) -> None:
    login = WORKER.login(str(owner.url.database))
    with owner.begin() as connection:
        connection.exec_driver_sql(f'REVOKE ALL ON lines FROM "{login}"')
        connection.exec_driver_sql(f'GRANT SELECT ON users TO "{login}"')

    migrate.upgrade(owner.url)

    with connect(WORKER).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM lines")) == 1
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("SELECT count(*) FROM users"))


def test_making_them_twice_changes_passwords_only(owner: Engine) -> None:
    assert make_roles(owner, PASSWORDS) == make_roles(owner, PASSWORDS)


def test_who_may_not_make_roles_is_told(connect: Callable[[Role], Engine]) -> None:
    with pytest.raises((MayNotMakeRoles, DatabaseUnavailable), match="cannot make roles"):
        make_roles(connect(WORKER), PASSWORDS)


@pytest.mark.parametrize(
    ("role", "statement", "refused"),
    [
        (WORKER, "SELECT users.id FROM lines JOIN users ON true", "SELECT on users"),
        (WORKER, "INSERT INTO reviews (id) VALUES (?)", "INSERT on reviews"),
        (WORKER, "DELETE FROM inspections WHERE id = ?", "DELETE on inspections"),
        (WORKER, "UPDATE inspections SET image_key=?, label=? WHERE id = ?",
         "UPDATE on inspections (label)"),
        (WORKER, "UPDATE inspections SET id=inspections.id, map_key=? WHERE id = ?", None),
        (DASHBOARD, "UPDATE samples SET label=?", None),
        (DASHBOARD, "WITH x AS (SELECT 1) SELECT x.y FROM x", None),
    ],
)  # fmt: skip
def test_what_tests_of_packages_look_for(role: Role, statement: str, refused: str | None) -> None:
    assert refused_in(statement, role) == refused
