"""What a Redis whose clock is put back needs: times it noted lie in the future for so long.

Frames of a dead worker would not count as left alone, and a bell that nobody answers would not fall
silent, before the clock is where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import ResponseError

from ingest.stream import GROUP

if TYPE_CHECKING:
    from redis import Redis

    from ingest.doorbell import Doorbell
    from ingest.stream import FrameStream

CLOCK_KEY = "linewatch:clock"
#: Steps below this are made good by waiting.
LEAST_STEP_S = 5
_AT_ONCE = 10_000


def was_put_back(redis: Redis) -> bool:
    """Whether the server's clock shows less than at the last call, by anyone."""
    now = redis.time()[0]
    before = cast("bytes | None", redis.set(CLOCK_KEY, now, get=True))
    return before is not None and now < int(before) - LEAST_STEP_S


def forget_times(redis: Redis, stream: FrameStream, doorbell: Doorbell) -> None:
    """Let what a line's frames and bell wait for count from now on.

    Whoever is at work on an entry may finish it: acknowledging does not ask whose it is.
    """
    doorbell.forget(stream.line)
    redis.delete(stream.reported_key)
    try:
        pending = redis.xpending_range(stream.frames_key, GROUP, "-", "+", _AT_ONCE)
    except ResponseError as exc:
        if str(exc).startswith("NOGROUP"):
            return
        raise
    ids = [entry["message_id"] for entry in cast("list[dict[str, Any]]", pending)]
    if ids:
        redis.xclaim(
            stream.frames_key, GROUP, "given-back", min_idle_time=0, message_ids=ids, idle=0,
            justid=True,
        )  # fmt: skip
