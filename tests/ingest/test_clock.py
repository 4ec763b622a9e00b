"""A Redis whose clock is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.clock import CLOCK_KEY, forget_times, was_put_back
from ingest.doorbell import Doorbell
from ingest.stream import GROUP, FrameStream, FullPolicy

if TYPE_CHECKING:
    from redis import Redis

MakeFrame = Any


def test_a_clock_that_goes_on_was_not_put_back(redis_client: Redis) -> None:
    assert [was_put_back(redis_client) for _ in range(3)] == [False] * 3


def test_a_clock_that_was_put_back_is_noticed_once(redis_client: Redis) -> None:
    now = redis_client.time()[0]
    redis_client.set(CLOCK_KEY, now + 3600)

    assert [was_put_back(redis_client) for _ in range(2)] == [True, False]


def test_frames_of_a_dead_worker_are_taken_over_in_time_and_pushes_ring(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream, doorbell = FrameStream(redis_client, "l1"), Doorbell(redis_client)
    stream.push(make_frame(), FullPolicy.BLOCK)
    (entry,) = stream.read("dead", 1)
    # Times in the future cannot be written; others than now show as well what becomes of them.
    redis_client.xclaim(
        stream.frames_key, GROUP, "dead", 0, [entry.entry_id], idle=3_600_000, justid=True
    )
    redis_client.set(stream.bell_key, "1", px=3_600_000)

    forget_times(redis_client, stream, doorbell)

    (pending,) = redis_client.xpending_range(stream.frames_key, GROUP, "-", "+", 10)
    assert pending["time_since_delivered"] < 60_000
    assert pending["times_delivered"] == 1
    assert stream.push(make_frame(), FullPolicy.BLOCK).ring
    taken = stream.claim_stale("heir", 0)
    assert taken is not None
    assert taken.entry_id == entry.entry_id


def test_a_line_without_a_stream_has_no_times(redis_client: Redis) -> None:
    forget_times(redis_client, FrameStream(redis_client, "l1"), Doorbell(redis_client))
