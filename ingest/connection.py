"""The Redis client of a camera host."""

from __future__ import annotations

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

#: Answers of a server that is there, but cannot write just now: its disk is full, a script runs on,
#: replicas are too few or lost their primary.
_TEMPORARY_ANSWERS = ("MISCONF", "BUSY ", "NOREPLICAS", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN")


def connect(url: str, *, timeout_s: float = 5.0) -> Redis:
    """A client for cameras: it reports a lost server soon, and cameras decide what to do about it.

    One retry, because a connection that lay idle may have been cut long ago; pushes may be
    repeated without harm. More would hold up a live camera, and the way out of the program.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(ConstantBackoff(0.01), 1),
    )


def is_outage(error: RedisError) -> bool:
    """True if the same call may work later without anybody changing the program."""
    if isinstance(
        error, RedisConnectionError | RedisTimeoutError | ReadOnlyError | OutOfMemoryError
    ):
        return True  # BusyLoadingError and AuthenticationError are kinds of ConnectionError
    return isinstance(error, ResponseError) and str(error).startswith(_TEMPORARY_ANSWERS)
