"""Delivery by policy: full streams, lost servers, and what is counted."""

from __future__ import annotations

import threading
import time
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, ResponseError

from ingest.connection import connect, is_outage
from ingest.delivery import Delivery, Outcome
from ingest.doorbell import Doorbell
from ingest.frame import from_fields
from ingest.stream import CameraCounts, FrameStream, FullPolicy, StreamLimits

if TYPE_CHECKING:
    from redis import Redis

MakeFrame = Any


def deliveries(
    redis: Redis, policy: FullPolicy, *, block_timeout_s: float = 0.1, **limits: int
) -> tuple[Delivery, FrameStream]:
    stream = FrameStream(redis, "l1", StreamLimits(**limits))
    return Delivery(stream, Doorbell(redis), "c1", policy, block_timeout_s), stream


def queued_jobs(redis: Redis) -> int:
    return int(redis.llen("rq:queue:score"))


class LosesAnswers(FrameStream):
    """A stream whose pushes are stored, but whose answers are lost as often as told."""

    lost_answers = 0

    def push(self, *args: Any, **named: Any) -> Any:
        pushed = super().push(*args, **named)
        if self.lost_answers:
            self.lost_answers -= 1
            raise RedisConnectionError("Connection reset by peer")
        return pushed


def test_a_frame_is_sent_and_a_worker_called_once(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.BLOCK)

    outcomes = [delivery.deliver(make_frame(), Event()) for _ in range(3)]

    assert outcomes == [Outcome.SENT] * 3
    assert stream.status().waiting == 3
    assert queued_jobs(redis_client) == 1


def test_block_waits_for_room(redis_client: Redis, make_frame: MakeFrame) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.BLOCK, block_timeout_s=5, max_frames=1)
    delivery.deliver(make_frame(), Event())
    room = threading.Timer(0.15, lambda: stream.acknowledge(stream.read("w", 1)))
    room.start()
    started = time.monotonic()

    outcome = delivery.deliver(make_frame(), Event())

    assert outcome is Outcome.SENT
    assert 0.1 < time.monotonic() - started < 2
    room.join()


def test_a_waiting_camera_is_told_of_room_and_does_not_ask_meanwhile(
    redis_client: Redis, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.delivery.ROOM_TIMEOUT_S", 60.0)
    stream = Scripted(redis_client, "l1", StreamLimits(max_frames=1))
    delivery = Delivery(stream, Doorbell(redis_client), "c1", FullPolicy.BLOCK, 60)
    delivery.deliver(make_frame(), Event())
    room = threading.Timer(0.3, lambda: stream.acknowledge(stream.read("w", 1)))
    room.start()
    started = time.monotonic()

    assert delivery.deliver(make_frame(), Event()) is Outcome.SENT

    assert time.monotonic() - started < 30
    assert stream.pushes == 3  # the first frame; the second, refused and then taken
    room.join()


def test_block_reports_a_part_as_uninspected_when_there_is_no_room_in_time(
    redis_client: Redis, make_frame: MakeFrame, log_lines: list[dict[str, Any]]
) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.BLOCK, max_frames=1)
    delivery.deliver(make_frame(), Event())
    parts = [make_frame(), make_frame()]

    outcomes = [delivery.deliver(part, Event()) for part in parts]

    assert outcomes == [Outcome.UNINSPECTED] * 2
    notices = [from_fields(e.fields) for e in stream.read("w", 10)][1:]
    assert [n.frame_id for n in notices] == [p.frame_id for p in parts]
    assert {n.uninspected for n in notices} == {"stream full for 0.1 s"}
    assert {n.image for n in notices} == {b""}
    assert [line["event"] for line in log_lines] == ["stream_full"]


def test_block_waits_on_when_even_notices_have_no_room(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    delivery, stream = deliveries(
        redis_client, FullPolicy.BLOCK, block_timeout_s=0.02, max_frames=1, max_notices=1
    )
    for _ in range(2):
        delivery.deliver(make_frame(), Event())
    room = threading.Timer(0.2, lambda: stream.acknowledge(stream.read("w", 2)))
    room.start()

    assert delivery.deliver(make_frame(), Event()) is Outcome.UNINSPECTED
    room.join()


def test_stopping_with_a_full_stream_leaves_a_notice(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.BLOCK, block_timeout_s=60, max_frames=1)
    delivery.deliver(make_frame(), Event())
    stop = Event()
    threading.Timer(0.1, stop.set).start()

    assert delivery.deliver(make_frame(), stop) is Outcome.UNINSPECTED
    assert stream.status().cameras["c1"].uninspected == 1


def test_stopping_with_a_full_stream_leaves_nothing_of_a_frame_that_comes_again(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.BLOCK, block_timeout_s=60, max_frames=1)
    delivery.deliver(make_frame(), Event())
    stop = Event()
    stop.set()

    assert delivery.deliver(make_frame(), stop, resumes=True) is Outcome.UNSENT
    assert stream.status().cameras == {"c1": CameraCounts(pushed=1)}


def test_drop_oldest_never_waits_and_counts(redis_client: Redis, make_frame: MakeFrame) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.DROP_OLDEST, max_frames=2)

    outcomes = [delivery.deliver(make_frame(), Event()) for _ in range(5)]
    stream.read("w", 2)
    outcomes.append(delivery.deliver(make_frame(), Event()))

    assert outcomes == [Outcome.SENT] * 5 + [Outcome.DROPPED]
    assert delivery.dropped == 4
    assert stream.status().cameras == {"c1": CameraCounts(pushed=5, dropped=4)}


@pytest.mark.parametrize("policy", FullPolicy)
def test_a_frame_larger_than_the_stream_becomes_a_notice(
    redis_client: Redis, make_frame: MakeFrame, policy: FullPolicy
) -> None:
    delivery, stream = deliveries(redis_client, policy, max_bytes=100)

    assert delivery.deliver(make_frame(size=101), Event()) is Outcome.UNINSPECTED
    (entry,) = stream.read("w", 1)
    reason = from_fields(entry.fields).uninspected
    assert reason is not None
    assert reason.startswith("the encoded frame has 101 bytes")


def test_a_push_whose_answer_was_lost_makes_no_second_frame(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = LosesAnswers(redis_client, "l1")
    stream.lost_answers = 2
    delivery = Delivery(stream, Doorbell(redis_client), "c1", FullPolicy.BLOCK, 1)

    outcome = delivery.deliver(make_frame(), Event())

    assert outcome is Outcome.SENT
    assert stream.status().waiting == 1
    assert queued_jobs(redis_client) == 1


def test_a_push_whose_answer_was_lost_into_the_last_room_makes_no_notice(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    # Stored and full: without recognising the frame, the second push would be refused for good.
    stream = LosesAnswers(redis_client, "l1", StreamLimits(max_frames=1))
    stream.lost_answers = 1
    delivery = Delivery(stream, Doorbell(redis_client), "c1", FullPolicy.BLOCK, 0.1)

    assert delivery.deliver(make_frame(), Event()) is Outcome.SENT
    assert stream.status().cameras == {"c1": CameraCounts(pushed=1)}


class Scripted(FrameStream):
    """A stream that fails for a while after it was first found full, and counts pushes."""

    pushes = 0
    away_s = 0.0
    _away_until: float | None = None

    def push(self, *args: Any, **named: Any) -> Any:
        self.pushes += 1
        if self._away_until is not None and time.monotonic() < self._away_until:
            raise RedisConnectionError("Connection refused")
        pushed = super().push(*args, **named)
        if not pushed.accepted and self._away_until is None:
            self._away_until = time.monotonic() + self.away_s
        return pushed

    def count_dropped(self, *args: Any) -> None:
        if self._away_until is not None and time.monotonic() < self._away_until:
            raise RedisConnectionError("Connection refused")
        super().count_dropped(*args)


def test_time_without_a_server_is_not_time_without_room(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = Scripted(redis_client, "l1", StreamLimits(max_frames=1))
    stream.away_s = 0.5
    delivery = Delivery(stream, Doorbell(redis_client), "c1", FullPolicy.BLOCK, 0.4)
    delivery.deliver(make_frame(), Event())
    room = threading.Timer(0.65, lambda: stream.acknowledge(stream.read("w", 1)))
    room.start()

    # Full from 0 s, away until 0.5 s, full again until 0.65 s: never full for 0.4 s together.
    assert delivery.deliver(make_frame(), Event()) is Outcome.SENT
    room.join()


def test_a_lost_server_is_not_asked_for_every_frame_of_a_live_camera(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = Scripted(redis_client, "l1")
    stream._away_until = time.monotonic() + 60
    delivery = Delivery(stream, Doorbell(redis_client), "c1", FullPolicy.DROP_OLDEST, 1)

    outcomes = {delivery.deliver(make_frame(), Event()) for _ in range(1000)}

    assert outcomes == {Outcome.DROPPED}
    assert delivery.dropped == 1000
    assert stream.pushes <= 20


def test_losses_before_the_stream_are_reported_at_the_end(redis_client: Redis) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.DROP_OLDEST)

    delivery.count_dropped(3)
    delivery.finish()
    delivery.finish()

    assert stream.status().cameras == {"c1": CameraCounts(dropped=3)}


def test_losses_are_reported_by_a_camera_that_ends_while_the_server_is_away(
    redis_client: Redis,
) -> None:
    stream = Scripted(redis_client, "l1")
    stream._away_until = time.monotonic() + 0.3
    delivery = Delivery(stream, Doorbell(redis_client), "c1", FullPolicy.DROP_OLDEST, 1)

    delivery.count_dropped(3)
    delivery.finish()

    assert stream.status().cameras == {"c1": CameraCounts(dropped=3)}


def test_a_camera_that_ends_does_not_wait_for_ever(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch, log_lines: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr("ingest.delivery.FINISH_PATIENCE_S", 0.1)
    stream = Scripted(redis_client, "l1")
    stream._away_until = time.monotonic() + 60
    delivery = Delivery(stream, Doorbell(redis_client), "c1", FullPolicy.DROP_OLDEST, 1)

    delivery.count_dropped(3)
    delivery.finish()

    assert log_lines[-1]["event"] == "stream_unreachable_at_stop"
    assert log_lines[-1]["drops_not_reported"] == 3


def set_back(redis: Redis, stream: FrameStream, frames: int) -> None:
    """Take the newest frames from a server, as if it came back with an older file."""
    entries = redis.xrange(stream.frames_key)
    for entry_id, _ in entries[len(entries) - frames :]:
        redis.xdel(stream.frames_key, entry_id)
    left = entries[: len(entries) - frames]
    if left:
        redis.hset(stream.last_key, "c1", left[-1][1][b"frame_id"])
    else:
        redis.hdel(stream.last_key, "c1")


def in_stream(redis: Redis, stream: FrameStream) -> list[str]:
    return [fields[b"frame_id"].decode() for _, fields in redis.xrange(stream.frames_key)]


@pytest.mark.parametrize("policy", list(FullPolicy))
@pytest.mark.parametrize("lost", [1, 3, 5])
def test_frames_that_a_server_has_lost_are_pushed_again_in_their_order(
    redis_client: Redis, make_frame: MakeFrame, policy: FullPolicy, lost: int
) -> None:
    delivery, stream = deliveries(redis_client, policy)
    frames = [make_frame() for _ in range(6)]
    for frame in frames[:5]:
        delivery.deliver(frame, Event())
    set_back(redis_client, stream, lost)

    outcome = delivery.deliver(frames[5], Event())

    assert outcome is Outcome.SENT
    assert in_stream(redis_client, stream) == [str(frame.frame_id) for frame in frames]
    assert delivery.dropped == 0


def test_lost_frames_wait_for_room_as_others_do(redis_client: Redis, make_frame: MakeFrame) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.BLOCK, block_timeout_s=5, max_frames=2)
    frames = [make_frame() for _ in range(3)]
    for frame in frames[:2]:
        delivery.deliver(frame, Event())
    set_back(redis_client, stream, 2)
    redis_client.hset(stream.state_key, mapping={"frames": 0, "bytes": 0})
    room = threading.Timer(0.2, lambda: stream.acknowledge(stream.read("w", 1)))
    room.start()

    outcome = delivery.deliver(frames[2], Event())

    room.join()
    assert outcome is Outcome.SENT
    assert in_stream(redis_client, stream) == [str(frame.frame_id) for frame in frames[1:]]


def test_a_frame_that_arrived_without_an_answer_is_not_counted_as_dropped(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = LosesAnswers(redis_client, "l1")
    delivery = Delivery(stream, Doorbell(redis_client), "c1", FullPolicy.DROP_OLDEST, 1)
    frames = [make_frame() for _ in range(3)]
    delivery.deliver(frames[0], Event())
    stream.lost_answers = 1
    delivery.deliver(frames[1], Event())
    time.sleep(0.06)  # it is asked again after FIRST_RETRY_S

    outcome = delivery.deliver(frames[2], Event())
    delivery.finish()

    assert outcome is Outcome.SENT
    assert in_stream(redis_client, stream) == [str(frame.frame_id) for frame in frames]
    assert delivery.dropped == 0
    assert stream.status().cameras == {"c1": CameraCounts(pushed=3)}


def test_drops_are_counted_with_the_next_frame_and_lost_and_found_with_it(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    delivery, stream = deliveries(redis_client, FullPolicy.DROP_OLDEST)
    delivery.deliver(make_frame(), Event())
    delivery.count_dropped(3)
    delivery.deliver(make_frame(), Event())
    before = stream.status().cameras
    set_back(redis_client, stream, 1)
    redis_client.hset(stream.state_key, mapping={"dropped:c1": 0, "pushed:c1": 1})

    delivery.deliver(make_frame(), Event())

    assert before == {"c1": CameraCounts(pushed=2, dropped=3)}
    assert stream.status().cameras == {"c1": CameraCounts(pushed=3, dropped=3)}
    assert delivery.dropped == 3


def test_another_host_with_the_same_name_brings_no_frame_twice(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    one, stream = deliveries(redis_client, FullPolicy.BLOCK)
    other, _ = deliveries(redis_client, FullPolicy.BLOCK)
    frames = [make_frame() for _ in range(6)]

    for turn, frame in enumerate(frames):
        (one, other)[turn % 2].deliver(frame, Event())

    assert in_stream(redis_client, stream) == [str(frame.frame_id) for frame in frames]


@pytest.mark.slow
def test_block_keeps_the_frame_until_the_server_is_back(
    own_server: Any, make_frame: MakeFrame, log_lines: list[dict[str, Any]]
) -> None:
    client = connect(own_server.url, timeout_s=1)
    delivery, stream = deliveries(client, FullPolicy.BLOCK, block_timeout_s=0.05)
    delivery.deliver(make_frame(), Event())
    own_server.kill()
    back = threading.Timer(0.5, own_server.start)
    back.start()

    outcome = delivery.deliver(make_frame(), Event())

    back.join()
    assert outcome is Outcome.SENT
    assert stream.status().waiting == 2
    assert [line["event"] for line in log_lines] == ["stream_unreachable", "stream_reachable"]
    client.close()


@pytest.mark.slow
def test_block_ends_without_the_server_when_told(own_server: Any, make_frame: MakeFrame) -> None:
    client = connect(own_server.url, timeout_s=1)
    delivery, _ = deliveries(client, FullPolicy.BLOCK)
    own_server.kill()
    stop = Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()

    assert delivery.deliver(make_frame(), stop) is Outcome.UNSENT
    delivery.finish()

    assert time.monotonic() - started < 2
    client.close()


@pytest.mark.slow
def test_drop_oldest_counts_what_a_lost_server_cost_and_tells_it_later(
    own_server: Any, make_frame: MakeFrame, log_lines: list[dict[str, Any]]
) -> None:
    client = connect(own_server.url, timeout_s=1)
    delivery, stream = deliveries(client, FullPolicy.DROP_OLDEST)
    delivery.deliver(make_frame(), Event())
    own_server.kill()
    started = time.monotonic()
    dropped = [delivery.deliver(make_frame(), Event()) for _ in range(50)]
    took_s = time.monotonic() - started
    own_server.start()

    outcome = Outcome.DROPPED
    while outcome is Outcome.DROPPED:
        dropped.append(outcome)
        outcome = delivery.deliver(make_frame(), Event())
        time.sleep(0.01)
    delivery.finish()

    assert set(dropped) == {Outcome.DROPPED}
    assert took_s < 1
    # The loop's first entry stands for no frame.
    expected = CameraCounts(pushed=2, dropped=len(dropped) - 1)
    assert stream.status().cameras == {"c1": expected}
    assert delivery.dropped == expected.dropped
    events = [line["event"] for line in log_lines]
    assert events == ["stream_unreachable", "stream_reachable"]
    client.close()


@pytest.mark.slow
def test_a_server_without_memory_is_waited_for(own_server: Any, make_frame: MakeFrame) -> None:
    client = connect(own_server.url, timeout_s=1)
    delivery, stream = deliveries(client, FullPolicy.BLOCK)
    admin = own_server.client()
    admin.config_set("maxmemory", 1)
    threading.Timer(0.3, lambda: admin.config_set("maxmemory", 0)).start()

    assert delivery.deliver(make_frame(), Event()) is Outcome.SENT
    assert stream.status().waiting == 1
    admin.close()
    client.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RedisConnectionError("refused"), True),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), True),
        (ResponseError("BUSY Redis is busy running a script"), True),
        (ResponseError("WRONGTYPE Operation against a key"), False),
        (ResponseError("BUSYGROUP Consumer Group name already exists"), False),
        (NoPermissionError("this user has no permissions"), False),
    ],
)
def test_only_what_may_pass_by_itself_is_an_outage(error: Any, expected: bool) -> None:
    assert is_outage(error) is expected
