"""From settings to connections: what the commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linewatch.secrets import with_password
from linewatch.settings import EMBEDDED

if TYPE_CHECKING:
    from pydantic import SecretStr
    from redis import Redis

    from linewatch.settings import Settings


def redis_url(settings: Settings) -> str:
    """Redis's address with its password; starts the embedded server if that is the one in use."""
    if settings.redis_url == EMBEDDED:
        from linewatch.embedded import start

        server, _ = start(settings.home, max_memory_mib=settings.embedded_max_memory_mib)
        return server.url
    return with_password(settings.redis_url, _plain(settings.redis_password))


def database_url(settings: Settings) -> str:
    """The database's address with its password."""
    if settings.database_url.startswith("sqlite"):
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return with_password(settings.database_url, _plain(settings.database_password))


def connect_redis(settings: Settings) -> Redis:
    """A client of a Redis that answers.

    Raises:
        redis.exceptions.ConnectionError: if it cannot be reached within a few seconds.
    """
    from redis import Redis

    client = Redis.from_url(redis_url(settings), socket_connect_timeout=5)
    client.ping()
    return client


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
