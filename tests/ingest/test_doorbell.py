"""The doorbell: one drain job for however many frames, and none forgotten."""

from __future__ import annotations

import json
import time
import zlib
from typing import TYPE_CHECKING, Any

from ingest.doorbell import DRAIN_JOB, SCORE_QUEUE, Doorbell
from ingest.stream import FrameStream, FullPolicy

if TYPE_CHECKING:
    import pytest
    from redis import Redis

MakeFrame = Any


def queued(redis: Redis) -> list[str]:
    jobs: Any = redis.lrange(f"rq:queue:{SCORE_QUEUE}", 0, -1)
    return [j.decode() for j in jobs]


def test_many_pushes_ring_once_and_the_next_after_the_answer_rings_anew(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream, doorbell = FrameStream(redis_client, "l1"), Doorbell(redis_client)

    rings = [stream.push(make_frame(), FullPolicy.BLOCK).ring for _ in range(3)]
    doorbell.hush("l1")
    rings.append(stream.push(make_frame(), FullPolicy.BLOCK).ring)

    assert rings == [True, False, False, True]


def test_ring_enqueues_one_drain_job_that_a_worker_can_read_without_pickle(
    redis_client: Redis,
) -> None:
    doorbell = Doorbell(redis_client)

    rung = [doorbell.ring("l1"), doorbell.ring("l1")]

    assert rung == [True, False]
    (job,) = queued(redis_client)
    data: Any = redis_client.hget(f"rq:job:{job}", "data")
    function, instance, args, kwargs = json.loads(zlib.decompress(data))
    assert (function, instance, args, kwargs) == (DRAIN_JOB, None, ["l1"], {})
    assert doorbell.others_wait()


def test_a_bell_whose_job_never_came_is_forgotten(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = FrameStream(redis_client, "l1")
    stream.push(make_frame(), FullPolicy.BLOCK)
    redis_client.pexpire(stream.bell_key, 20)
    time.sleep(0.05)

    assert stream.push(make_frame(), FullPolicy.BLOCK).ring


def test_while_a_worker_attends_pushes_do_not_ring(
    redis_client: Redis, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Doorbell, "attendance_s", 0.06)
    stream, doorbell = FrameStream(redis_client, "l1"), Doorbell(redis_client)

    doorbell.attend("l1")
    during = stream.push(make_frame(), FullPolicy.BLOCK).ring
    time.sleep(0.1)

    assert not during
    assert stream.push(make_frame(), FullPolicy.BLOCK).ring


def test_the_bell_a_push_rings_is_the_bell_a_worker_silences(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    FrameStream(redis_client, "l1").push(make_frame(), FullPolicy.BLOCK)

    assert not Doorbell(redis_client).ring("l1")
    Doorbell(redis_client).hush("l1")
    assert Doorbell(redis_client).ring("l1")


def test_a_helper_is_called_once_in_a_while_only(redis_client: Redis) -> None:
    doorbell = Doorbell(redis_client)

    for _ in range(3):
        doorbell.call_helper("l1")

    assert len(queued(redis_client)) == 1


def test_one_job_of_a_line_waits_however_many_call(redis_client: Redis) -> None:
    doorbell = Doorbell(redis_client)

    for line in ("busy", "busy", "quiet", "busy"):
        doorbell.call_worker(line)

    assert len(queued(redis_client)) == 2


def test_a_job_that_a_worker_took_or_that_is_lost_does_not_stand_for_later_calls(
    redis_client: Redis,
) -> None:
    doorbell = Doorbell(redis_client)
    doorbell.call_worker("l1")
    redis_client.lpop(f"rq:queue:{SCORE_QUEUE}")

    doorbell.call_worker("l1")

    assert len(queued(redis_client)) == 1
