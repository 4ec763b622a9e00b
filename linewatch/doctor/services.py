"""Redis, database, image store, lines, workers, dashboard: what must run."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from linewatch.doctor.findings import Finding, failed, ok, warning
from linewatch.errors import PortInUse
from linewatch.hosts import is_loopback
from linewatch.secrets import without_password
from linewatch.settings import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis
    from sqlalchemy import Engine

    from linewatch.settings import Settings

#: XAUTOCLAIM, with which a dead worker's frames are taken over.
OLDEST_REDIS = (6, 2)


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Reachable, new enough, durable, and never evicting."""
    if _embedded_is_down(settings):
        yield warning(
            "redis",
            "the embedded Valkey does not run",
            "the first command that needs it starts it; or `linewatch server start`",
        )
        return
    with _client(settings) as client:
        info = cast("dict[str, Any]", client.info("server"))
        version = str(info.get("valkey_version") or info["redis_version"])
        name = "Valkey" if "valkey_version" in info else "Redis"
        where = without_password(settings.redis_url)
        if tuple(map(int, str(info["redis_version"]).split(".")[:2])) < OLDEST_REDIS:
            yield failed("redis", f"{name} {version} at {where}", "6.2 or newer is needed")
        else:
            yield ok("redis", f"{name} {version} at {where}")
        yield from _check_redis_way(settings)
        yield from _check_redis_config(client)


def _check_redis_way(settings: Settings) -> Iterator[Finding]:
    """On a network, nobody may read along, or come in without a password."""
    address = urlsplit(settings.redis_url)
    if address.hostname is None or is_loopback(address.hostname):
        return
    if address.scheme == "redis":
        yield warning(
            "redis",
            "its address is not encrypted: passwords and pictures can be read on the network",
            "give it a certificate, and use rediss://",
        )
    if _lets_anybody_in(settings.redis_url):
        yield warning(
            "redis",
            "it asks for no password: whoever reaches it can read and delete frames",
            "give it users (see linewatch server acl) or a password (requirepass)",
        )


def _lets_anybody_in(url: str) -> bool:
    from redis import Redis
    from redis.exceptions import RedisError

    address = urlsplit(url)
    nobody = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
    try:
        with Redis.from_url(nobody, socket_connect_timeout=5) as anybody:
            return bool(anybody.ping())
    except RedisError:
        return False


def _check_redis_config(client: Redis) -> Iterator[Finding]:
    from redis.exceptions import ResponseError

    try:
        config = cast("dict[str, str]", client.config_get("appendonly", "maxmemory*"))
    except ResponseError:  # hosted servers forbid the command
        yield warning(
            "redis",
            "its configuration cannot be read",
            "make sure that it has appendonly yes and maxmemory-policy noeviction",
        )
        return
    if config.get("maxmemory-policy") != "noeviction":
        yield failed(
            "redis",
            f"maxmemory-policy is {config.get('maxmemory-policy')}: frames would vanish silently",
            "set maxmemory-policy noeviction",
        )
    if config.get("appendonly") != "yes":
        yield warning(
            "redis", "appendonly is off: a restart loses waiting frames", "set appendonly yes"
        )
    if config.get("maxmemory") == "0":
        yield warning(
            "redis", "maxmemory is not set: it could take all memory", "set maxmemory, e.g. 2gb"
        )


def check_database(settings: Settings) -> Iterator[Finding]:
    """Reachable, migrated to this version, and not used as its owner."""
    from db import engine, revision, roles

    made = _engine(settings)
    try:
        engine.check(made)
        revision.check(made)
        yield ok("database", f"{engine.describe(made.url)} at revision {revision.head()}")
        with made.connect() as connection:
            used_as_owner = roles.is_owner(connection)
        if used_as_owner:
            yield warning(
                "database",
                f"{made.url.username} owns its tables or is a superuser, and could change the "
                "audit trail: that is for linewatch db upgrade only",
                "make roles with linewatch db roles, and let database_url name one of them",
            )
    finally:
        made.dispose()


def check_store(settings: Settings) -> Iterator[Finding]:
    """An image can be written, read and deleted."""
    from db.store import ImageStore
    from linewatch.connect import store_url

    ImageStore(store_url(settings)).check()
    yield ok("store", f"{without_password(settings.store_url)} takes and gives images")


def check_lines(settings: Settings) -> Iterator[Finding]:
    """Every line has an active model whose folder is there."""
    from pathlib import Path

    from sqlalchemy.orm import Session

    from db.lines import list_lines
    from db.model_versions import active_version

    made = _engine(settings)
    try:
        with Session(made) as session:
            lines = list_lines(session)
            if not lines:
                yield warning("lines", "there is no line", "add one: linewatch line add NAME")
            for line in lines:
                version = active_version(session, line.name)
                if version is None:
                    yield warning(
                        "lines",
                        f"line {line.name} has no active model: its frames are not inspected",
                        f"linewatch model add {line.name} MODEL_DIR --activate",
                    )
                elif not Path(version.artifact_path).is_dir():
                    yield failed(
                        "lines",
                        f"line {line.name}: {version.artifact_path} is not on this host",
                        "mount it, or copy the model there",
                    )
                else:
                    yield ok("lines", f"line {line.name} is scored by version {version.number}")
    finally:
        made.dispose()


def check_workers(settings: Settings) -> Iterator[Finding]:
    """At least one scoring worker is alive."""
    if _embedded_is_down(settings):
        yield warning("workers", "no worker can run without Redis", "see redis above")
        return
    from rq import Queue, Worker

    from ingest.doorbell import SCORE_QUEUE

    with _client(settings) as client:
        queue = Queue(SCORE_QUEUE, connection=client)
        alive = Worker.count(connection=client, queue=queue)
    if alive:
        yield ok("workers", f"{alive} scoring workers are alive")
    else:
        yield warning("workers", "no scoring worker is alive", "start some: linewatch worker")


def check_dashboard(settings: Settings) -> Iterator[Finding]:
    """Its port is free, or the dashboard already answers there."""
    from linewatch.services import check_port

    address = f"{settings.dashboard_host}:{settings.dashboard_port}"
    try:
        check_port(settings.dashboard_host, settings.dashboard_port)
    except PortInUse as exc:
        if _answers_as_streamlit(address):
            yield ok("dashboard", f"runs at http://{address}")
        else:
            yield failed("dashboard", f"another program listens at {address}", str(exc))
        return
    yield ok("dashboard", f"does not run; {address} is free")


def _answers_as_streamlit(address: str) -> bool:
    try:
        url = f"http://{address}/_stcore/health"
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.read() == b"ok")
    except (urllib.error.URLError, OSError):
        return False


def _embedded_is_down(settings: Settings) -> bool:
    """True if the embedded server is the one in use and does not run; the doctor starts nothing."""
    if settings.redis_url != EMBEDDED:
        return False
    from linewatch.embedded import embedded_server

    return not embedded_server(settings.home).answers()


def _client(settings: Settings) -> Redis:
    from linewatch.connect import connect_redis

    return connect_redis(settings)


def _engine(settings: Settings) -> Engine:
    from db.engine import make_engine
    from linewatch.connect import database_url

    return make_engine(database_url(settings))
