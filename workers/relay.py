"""Turns rings of camera hosts that may not enqueue jobs into jobs, on a scoring host.

A ring that is lost with this process is made good: the bell falls silent by itself, so that the
next push rings again, and the sweep finds what waits.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import structlog
from redis import Redis
from redis.exceptions import RedisError

from ingest.doorbell import MAX_RINGS, RINGS_KEY, Doorbell
from ingest.frame import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger()

WAIT_S = 1
#: Pause while Redis is away.
PAUSE_S = 1.0


@contextmanager
def relaying(redis_url: str) -> Iterator[None]:
    """Relay, in a thread of its own, for as long as this lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=_relay, args=(redis_url, stop), name="relay", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=WAIT_S + PAUSE_S)


def _relay(redis_url: str, stop: threading.Event) -> None:
    redis = Redis.from_url(redis_url, socket_timeout=10 * WAIT_S)
    doorbell = Doorbell(redis)
    is_away = False
    while not stop.is_set():
        try:
            relay_once(redis, doorbell)
            is_away = False
        except RedisError as exc:
            if not is_away:
                log.warning("relay.lost_redis", error=str(exc))
            is_away = True
            stop.wait(PAUSE_S)
    redis.close()


def relay_once(redis: Redis, doorbell: Doorbell, wait_s: float = WAIT_S) -> None:
    """Call a worker to every line that rang, after waiting for the first at most `wait_s`."""
    first = cast("list[bytes] | None", redis.blpop([RINGS_KEY], timeout=wait_s))
    if first is None:
        return
    more = cast("list[bytes] | None", redis.lpop(RINGS_KEY, MAX_RINGS)) or []
    for name in sorted({first[1], *more}):
        line = name.decode(errors="replace")
        if NAME.fullmatch(line):  # whoever may ring can write anything
            doorbell.call_worker(line)
