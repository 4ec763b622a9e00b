"""From settings to connections: what the commands share."""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from linewatch.errors import SettingsError
from linewatch.secrets import with_password
from linewatch.settings import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr
    from redis import Redis
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from db.access import Actor
    from linewatch.settings import Settings

#: Files a rediss:// address may name.
_CERTIFICATES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def redis_url(settings: Settings) -> str:
    """Redis's address with its password; starts the embedded server if that is the one in use."""
    if settings.redis_url == EMBEDDED:
        from linewatch.embedded import start

        server, _ = start(
            settings.home,
            max_memory_mib=settings.embedded_max_memory_mib,
            appendfsync=settings.embedded_appendfsync,
        )
        return server.url
    _check_certificates(settings.redis_url)
    return with_password(settings.redis_url, _plain(settings.redis_password))


def _check_certificates(url: str) -> None:
    """The client's own error would not name the file.

    Raises:
        SettingsError: if a file that `url` names cannot be read.
    """
    for name, file in parse_qsl(urlsplit(url).query):
        if name in _CERTIFICATES and not os.access(file, os.R_OK):
            raise SettingsError(f"redis_url: {name}={file} cannot be read: give an absolute path")


def database_url(settings: Settings) -> str:
    """The database's address with its password."""
    if settings.database_url.startswith("sqlite"):
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return with_password(settings.database_url, _plain(settings.database_password))


def store_url(settings: Settings) -> str:
    """The image store's address; a folder in home is made, any other must be there."""
    folder = Path(settings.store_url)
    if folder.is_relative_to(settings.home):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.store_url


def connect_redis(settings: Settings) -> Redis:
    """A client of a Redis that answers.

    Raises:
        redis.exceptions.ConnectionError: if it cannot be reached within a few seconds.
    """
    from redis import Redis

    client = Redis.from_url(redis_url(settings), socket_connect_timeout=5)
    client.ping()
    return client


@contextmanager
def database_session(settings: Settings) -> Iterator[Session]:
    """A session on a database whose schema fits.

    Raises:
        DatabaseUnavailable: if it cannot be reached.
        SchemaOutdated: if it needs `linewatch db upgrade`.
    """
    from sqlalchemy.orm import Session

    engine = checked_engine(settings)
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


def checked_engine(settings: Settings) -> Engine:
    """An engine on a database whose schema fits; raises as `database_session` does."""
    from db.engine import check_place, make_engine
    from db.revision import check

    engine = make_engine(database_url(settings))
    check_place(engine.url)
    check(engine)
    return engine


def actor() -> Actor:
    """Who is at the command line."""
    from db.access import trusted

    try:
        return trusted(getpass.getuser())
    except (OSError, KeyError):  # a container's user may have no name
        return trusted("command line")


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
