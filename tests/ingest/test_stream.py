"""The frame stream against a real server: bounds, drops, notices, deliveries.

Long, because the hand-worked cases and the random mix of operations share what they look at.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import OutOfMemoryError

from ingest.errors import FrameTooLarge
from ingest.frame import from_fields
from ingest.stream import (
    LINES_KEY,
    CameraCounts,
    Entry,
    FrameStream,
    FullPolicy,
    StreamLimits,
    known_lines,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from ingest.frame import Frame

BLOCK = FullPolicy.BLOCK
DROP = FullPolicy.DROP_OLDEST
MakeFrame = Any


def stream_of(redis: Redis, **limits: int) -> FrameStream:
    return FrameStream(redis, "l1", StreamLimits(**limits))


def waiting_ids(redis: Redis, stream: FrameStream) -> list[str]:
    entries: Any = redis.xrange(stream.frames_key)
    return [fields[b"frame_id"].decode() for _, fields in entries]


def held(redis: Redis, stream: FrameStream) -> tuple[int, int, int]:
    values = redis.hmget(stream.state_key, "frames", "bytes", "notices")
    return tuple(int(v or 0) for v in values)  # type: ignore[return-value, union-attr]


def test_a_frame_arrives_as_it_was_pushed(redis_client: Redis, make_frame: MakeFrame) -> None:
    stream = stream_of(redis_client)
    frame = make_frame(size=3)

    pushed = stream.push(frame, BLOCK)
    entries = stream.read("w1", 10)

    assert pushed.accepted
    assert pushed.ring
    assert [from_fields(e.fields) for e in entries] == [frame]
    assert known_lines(redis_client) == ["l1"]


def test_block_refuses_and_never_drops(redis_client: Redis, make_frame: MakeFrame) -> None:
    stream = stream_of(redis_client, max_frames=2)
    first, second = make_frame(), make_frame()
    stream.push(first, BLOCK)
    stream.push(second, BLOCK)

    refused = stream.push(make_frame(), BLOCK)

    assert not refused.accepted
    assert refused.dropped == 0
    assert waiting_ids(redis_client, stream) == [str(first.frame_id), str(second.frame_id)]
    assert stream.status().cameras == {"c1": CameraCounts(pushed=2)}


def test_drop_oldest_drops_the_oldest_and_counts_it(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=2)
    frames = [make_frame() for _ in range(5)]

    dropped = [stream.push(f, DROP).dropped for f in frames]

    assert dropped == [0, 0, 1, 1, 1]
    assert waiting_ids(redis_client, stream) == [str(f.frame_id) for f in frames[3:]]
    assert stream.status().cameras == {"c1": CameraCounts(pushed=5, dropped=3)}
    assert held(redis_client, stream) == (2, 20, 0)


def test_drop_oldest_spares_frames_of_blocking_cameras(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=3)
    part = make_frame("parts")
    videos = [make_frame("video") for _ in range(4)]
    stream.push(part, BLOCK)

    for video in videos:
        stream.push(video, DROP)

    kept = [str(f.frame_id) for f in (part, *videos[2:])]
    assert waiting_ids(redis_client, stream) == kept
    assert stream.status().cameras["video"] == CameraCounts(pushed=4, dropped=2)
    assert stream.status().cameras["parts"] == CameraCounts(pushed=1)


def test_drop_oldest_spares_frames_a_worker_has_taken(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=2)
    taken = [make_frame(), make_frame()]
    for frame in taken:
        stream.push(frame, DROP)
    stream.read("w1", 10)

    refused = stream.push(make_frame(), DROP)

    assert not refused.accepted
    assert refused.dropped == 1
    assert waiting_ids(redis_client, stream) == [str(f.frame_id) for f in taken]
    assert stream.status().cameras == {"c1": CameraCounts(pushed=2, dropped=1)}


def test_drop_oldest_drops_another_cameras_frame_on_that_cameras_account(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=1)
    stream.push(make_frame("old"), DROP)

    stream.push(make_frame("new"), DROP)

    cameras = stream.status().cameras
    assert cameras == {
        "old": CameraCounts(pushed=1, dropped=1),
        "new": CameraCounts(pushed=1),
    }


def test_a_frame_that_cannot_fit_costs_no_other_its_place(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    # 70 bytes are a blocking camera's; 40 more would not fit even without the 20 droppable ones.
    stream = stream_of(redis_client, max_bytes=100)
    stream.push(make_frame("parts", 70), BLOCK)
    small = [make_frame("video", 10), make_frame("video", 10)]
    for frame in small:
        stream.push(frame, DROP)

    refused = stream.push(make_frame("video", 40), DROP)

    assert (refused.accepted, refused.dropped) == (False, 1)
    assert waiting_ids(redis_client, stream)[1:] == [str(f.frame_id) for f in small]
    assert stream.status().cameras["video"] == CameraCounts(pushed=2, dropped=1)


def test_a_large_frame_pushes_out_as_many_bytes_as_it_needs(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_bytes=100)
    for _ in range(10):
        stream.push(make_frame(size=10), DROP)

    pushed = stream.push(make_frame(size=35), DROP)

    assert pushed.dropped == 4  # 4 x 10 bytes make room for 35
    assert held(redis_client, stream) == (7, 95, 0)


def test_a_frame_larger_than_the_stream_is_an_error(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_bytes=100)

    with pytest.raises(FrameTooLarge, match="101 bytes, the stream may hold 100"):
        stream.push(make_frame(size=101), DROP)


def test_a_notice_passes_a_full_stream_up_to_its_own_limit(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=1, max_notices=2)
    stream.push(make_frame(), BLOCK)

    accepted = [
        stream.push(make_frame(uninspected="stream full for 3 s"), BLOCK).accepted for _ in range(3)
    ]

    assert accepted == [True, True, False]
    assert held(redis_client, stream) == (1, 10, 2)
    assert stream.status().cameras == {"c1": CameraCounts(pushed=1, uninspected=2)}
    entries = stream.read("w1", 10)
    assert [e.is_notice for e in entries] == [False, True, True]
    assert from_fields(entries[1].fields).uninspected == "stream full for 3 s"


def test_pushing_the_last_frame_again_adds_nothing_and_rings(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=1)
    frame = make_frame()
    stream.push(frame, BLOCK)

    again = stream.push(frame, BLOCK)

    assert again.accepted
    assert again.ring
    assert held(redis_client, stream) == (1, 10, 0)
    assert stream.status().cameras == {"c1": CameraCounts(pushed=1)}


def test_acknowledged_entries_give_their_room_back_and_count_once(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client)
    for size in (10, 20, 30):
        stream.push(make_frame(size=size), BLOCK)
    stream.push(make_frame(uninspected="x"), BLOCK)
    entries = stream.read("w1", 10)

    for _ in range(2):  # the second, as its answer was lost
        stream.acknowledge([entries[1], entries[3]], [1.5, 2.5], {"verdict:PASS": 1})

    assert held(redis_client, stream) == (2, 40, 0)
    assert stream.status().pending == 2
    assert stream.latencies_ms() == [1.5, 2.5]
    assert stream.tallies() == {"verdict:PASS": 1}


def test_a_frame_of_no_bytes_is_counted_like_any_other(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    # Lua writes the negative of nothing as -0, which Redis does not take for a number.
    stream = stream_of(redis_client, max_frames=1)
    stream.push(make_frame(size=0), DROP)

    assert stream.push(make_frame(size=0), DROP).dropped == 1
    stream.acknowledge(stream.read("w1", 1))

    assert held(redis_client, stream) == (0, 0, 0)


def test_each_entry_goes_to_one_reader(redis_client: Redis, make_frame: MakeFrame) -> None:
    stream = stream_of(redis_client)
    for _ in range(5):
        stream.push(make_frame(), BLOCK)

    first, second = stream.read("w1", 3), stream.read("w2", 3)

    assert len({e.entry_id for e in first + second}) == 5
    assert len(second) == 2
    assert stream.read("w1", 3, wait_ms=20) == []


def test_a_stale_entry_is_claimed_with_its_count_of_deliveries(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client)
    stream.push(make_frame(), BLOCK)
    (entry,) = stream.read("w1", 1)
    assert entry.deliveries == 1
    assert stream.claim_stale("w2", idle_ms=60_000) is None

    claims = [stream.claim_stale(f"w{n}", idle_ms=0) for n in (2, 3, 4)]

    assert [c.deliveries for c in claims if c] == [2, 3, 4]
    assert {c.entry_id for c in claims if c} == {entry.entry_id}


def test_claiming_one_stale_entry_leaves_the_others_count_alone(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client)
    for _ in range(3):
        stream.push(make_frame(), BLOCK)
    entries = stream.read("dead", 3)

    stream.claim_stale("w2", idle_ms=0)

    pending: Any = redis_client.xpending_range(stream.frames_key, "score", "-", "+", 10)
    assert [p["times_delivered"] for p in pending] == [2, 1, 1]
    assert len(entries) == 3


def test_a_stale_entry_behind_many_fresh_ones_is_found(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    # XAUTOCLAIM with count 1 looks at ten pending entries a call only.
    stream = stream_of(redis_client)
    for _ in range(41):
        stream.push(make_frame(), BLOCK)
    entries = stream.read("dead", 41)
    fresh = [e.entry_id for e in entries[:40]]
    time.sleep(0.25)
    redis_client.xclaim(stream.frames_key, "score", "w1", 0, fresh)

    claimed = stream.claim_stale("w2", idle_ms=200)

    assert claimed is not None
    assert claimed.entry_id == entries[40].entry_id


def test_every_refused_camera_is_told_once_that_there_is_room(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=1)
    stream.push(make_frame("a"), BLOCK)
    for camera in ("b", "c", "c"):
        assert not stream.push(make_frame(camera), BLOCK).accepted
    assert not stream.wait_for_room(0.01)

    stream.acknowledge(stream.read("w1", 1))

    assert [stream.wait_for_room(0.01) for _ in range(3)] == [True, True, False]


def test_word_of_room_that_nobody_heard_is_taken_back_with_the_next(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=1)
    for _ in range(3):
        stream.push(make_frame("a"), BLOCK)
        stream.push(make_frame("b"), BLOCK)
        stream.acknowledge(stream.read("w1", 1))

    assert [stream.wait_for_room(0.01) for _ in range(2)] == [True, False]


def test_a_stale_entry_that_was_acknowledged_is_not_claimed(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client)
    stream.push(make_frame(), BLOCK)
    stream.acknowledge(stream.read("w1", 1))

    assert stream.claim_stale("w2", idle_ms=0) is None


def test_reading_and_claiming_survive_a_flush(redis_client: Redis, make_frame: MakeFrame) -> None:
    stream = stream_of(redis_client)
    stream.push(make_frame(), BLOCK)
    stream.read("w1", 1)
    redis_client.flushdb()

    assert stream.claim_stale("w1", idle_ms=0) is None
    assert stream.read("w1", 1) == []
    frame = make_frame()
    stream.push(frame, BLOCK)

    assert [from_fields(e.fields) for e in stream.read("w1", 1)] == [frame]


def test_a_reader_that_waits_survives_a_flush(redis_client: Redis, make_frame: MakeFrame) -> None:
    stream = stream_of(redis_client)
    stream.read("w1", 1)
    got: list[Entry] = []
    reader = threading.Thread(target=lambda: got.extend(stream.read("w1", 1, wait_ms=3000)))
    reader.start()
    time.sleep(0.1)

    redis_client.flushdb()
    time.sleep(0.1)
    stream.push(make_frame(), BLOCK)
    reader.join(4)

    assert len(got) == 1


def test_scripts_survive_their_removal(redis_client: Redis, make_frame: MakeFrame) -> None:
    stream = stream_of(redis_client)
    redis_client.script_flush()

    assert stream.push(make_frame(), BLOCK).accepted


def test_counts_start_anew_with_an_empty_stream(redis_client: Redis, make_frame: MakeFrame) -> None:
    # Whatever went wrong with the counts, an empty stream has room for all.
    stream = stream_of(redis_client, max_frames=5)
    redis_client.hset(stream.state_key, mapping={"frames": 99, "bytes": 99, "notices": 99})

    assert stream.push(make_frame(), BLOCK).accepted
    assert held(redis_client, stream) == (1, 10, 0)


def test_a_server_out_of_memory_refuses_pushes_whole_and_takes_acknowledgements(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client, max_frames=2)
    for _ in range(2):
        stream.push(make_frame(), DROP)
    before = held(redis_client, stream), waiting_ids(redis_client, stream)
    entries = stream.read("w1", 1)
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(OutOfMemoryError):
            stream.push(make_frame(), DROP)
        assert (held(redis_client, stream), waiting_ids(redis_client, stream)) == before
        stream.acknowledge(entries, [1.0])
    finally:
        redis_client.config_set("maxmemory", 0)

    assert held(redis_client, stream) == (1, 10, 0)


def test_drops_before_the_stream_are_added_to_the_cameras_count(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client)
    stream.push(make_frame(), DROP)

    stream.count_dropped("c1", 7)

    assert stream.status().cameras == {"c1": CameraCounts(pushed=1, dropped=7)}


def test_bounds_hold_under_concurrent_pushers(redis_client: Redis, make_frame: MakeFrame) -> None:
    limits = StreamLimits(max_frames=20, max_bytes=2_000)
    accepted: Counter[str] = Counter()
    pushing, too_much = threading.Event(), []
    frames = {c: [make_frame(c, 10 + 37 * n % 191) for n in range(150)] for c in "abcd"}

    def push_all(camera: str, policy: FullPolicy) -> None:
        stream = FrameStream(redis_client, "l1", limits)
        for frame in frames[camera]:
            accepted[camera] += stream.push(frame, policy).accepted

    def watch() -> None:
        stream = FrameStream(redis_client, "l1", limits)
        while not pushing.is_set():
            pipeline = redis_client.pipeline(transaction=True)
            entries: Any = pipeline.xrange(stream.frames_key).execute()[0]
            total = sum(len(fields[b"image"]) for _, fields in entries)
            if len(entries) > limits.max_frames or total > limits.max_bytes:
                too_much.append((len(entries), total))
            stream.acknowledge(stream.read("w", 3))

    watcher = threading.Thread(target=watch)
    watcher.start()
    pushers = [
        threading.Thread(target=push_all, args=(c, DROP if c in "ab" else BLOCK)) for c in "abcd"
    ]
    for pusher in pushers:
        pusher.start()
    for pusher in pushers:
        pusher.join()
    pushing.set()
    watcher.join()

    assert too_much == []
    cameras = FrameStream(redis_client, "l1", limits).status().cameras
    for camera in "abcd":
        counts = cameras[camera]
        assert counts.pushed == accepted[camera]
    assert cameras["c"].dropped == cameras["d"].dropped == 0
    # A refused frame counts as dropped, and so does each that went in and was displaced.
    refused = sum(150 - accepted[c] for c in "ab")
    assert cameras["a"].dropped + cameras["b"].dropped >= refused


def test_entries_given_back_are_claimed_at_once_and_not_counted_as_delivered(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client)
    stream.push(make_frame(), BLOCK)
    entries = stream.read("w1", 1)

    stream.give_back(entries)
    claimed = stream.claim_stale("w2", idle_ms=60_000)

    assert claimed is not None
    assert (claimed.entry_id, claimed.deliveries) == (entries[0].entry_id, 1)


def test_consumers_with_frames_in_hand_are_not_forgotten(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client)
    stream.forget_idle_consumers(idle_ms=0)
    for _ in range(2):
        stream.push(make_frame(), BLOCK)
    stream.read("busy", 1)
    stream.acknowledge(stream.read("gone", 1))
    time.sleep(0.02)

    stream.forget_idle_consumers(idle_ms=10)

    names = {c["name"] for c in redis_client.xinfo_consumers(stream.frames_key, "score")}
    assert names == {b"busy"}


def test_a_consumer_that_wakes_while_idle_ones_are_forgotten_keeps_its_frame(
    redis_client: Redis, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stream_of(redis_client)
    stream.push(make_frame(), BLOCK)
    stream.acknowledge(stream.read("w1", 1))
    stream.push(make_frame(), BLOCK)
    time.sleep(0.02)
    look = redis_client.xinfo_consumers

    def look_and_be_overtaken(*arguments: Any) -> Any:
        seen = look(*arguments)
        stream.read("w1", 1)
        return seen

    monkeypatch.setattr(redis_client, "xinfo_consumers", look_and_be_overtaken)
    stream.forget_idle_consumers(idle_ms=10)

    entry = (stream.read("w2", 1) or [stream.claim_stale("w2", idle_ms=0)])[0]
    assert entry is not None  # neither to be read nor to be claimed: lost


class Model:
    """What the stream should hold, told slowly: plain lists, no ids, no counts kept."""

    def __init__(self, max_frames: int, max_bytes: int, max_notices: int) -> None:
        self.max_frames, self.max_bytes, self.max_notices = max_frames, max_bytes, max_notices
        self.entries: list[dict[str, Any]] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def frames(self) -> list[dict[str, Any]]:
        return [e for e in self.entries if not e["notice"]]

    def room_for(self, size: int, without: int = 0) -> bool:
        droppable = [e for e in self.frames() if e["drop"] and not e["taken"]][:without]
        rest = [e for e in self.frames() if e not in droppable]
        total = sum(e["size"] for e in rest)
        return len(rest) < self.max_frames and total + size <= self.max_bytes

    def push(self, frame: Frame, policy: FullPolicy) -> tuple[bool, int]:
        notice, size, dropped = frame.uninspected is not None, len(frame.image), 0
        if notice:
            if len(self.entries) - len(self.frames()) >= self.max_notices:
                return False, 0
        elif not self.room_for(size):
            if policy is BLOCK:
                return False, 0
            droppable = [e for e in self.frames() if e["drop"] and not e["taken"]]
            needed = [n for n in range(1, len(droppable) + 1) if self.room_for(size, n)]
            if not needed:
                self.counts["dropped", frame.camera] += 1
                return False, 1
            dropped = needed[0]
            for victim in droppable[:dropped]:
                self.entries.remove(victim)
                self.counts["dropped", victim["camera"]] += 1
        self.counts["uninspected" if notice else "pushed", frame.camera] += 1
        self.entries.append(
            {
                "id": str(frame.frame_id),
                "camera": frame.camera,
                "size": size,
                "notice": notice,
                "drop": policy is DROP,
                "taken": False,
            }
        )
        return True, dropped


@pytest.mark.parametrize("seed", range(6))
def test_every_mix_of_operations_agrees_with_a_simple_model(
    redis_client: Redis, make_frame: MakeFrame, seed: int
) -> None:
    rng = random.Random(seed)
    limits = {"max_frames": 6, "max_bytes": 200, "max_notices": 3}
    stream, model = stream_of(redis_client, **limits), Model(**limits)
    taken: list[Entry] = []

    def push() -> None:
        # A camera keeps its policy: a and b drop, c and d block.
        camera = rng.choice("abcd")
        policy = DROP if camera in "ab" else BLOCK
        notice = "full" if rng.random() < 0.1 else None
        frame = make_frame(camera, rng.choice([5, 20, 60, 120]), notice)
        pushed = stream.push(frame, policy)
        assert (pushed.accepted, pushed.dropped) == model.push(frame, policy)

    def read() -> None:
        count = rng.randint(1, 4)
        fresh = stream.read("w1", count)
        expected = [e for e in model.entries if not e["taken"]][:count]
        assert [e.fields[b"frame_id"].decode() for e in fresh] == [e["id"] for e in expected]
        for entry in expected:
            entry["taken"] = True
        taken.extend(fresh)

    def acknowledge() -> None:
        rng.shuffle(taken)
        done, taken[:] = taken[:2], taken[2:]
        stream.acknowledge(done)
        ids = {e.fields[b"frame_id"].decode() for e in done}
        model.entries = [e for e in model.entries if e["id"] not in ids]

    operations: list[Callable[[], None]] = [push, read, acknowledge]
    for _ in range(250):
        rng.choices(operations, [6, 1, 2])[0]()

        assert waiting_ids(redis_client, stream) == [e["id"] for e in model.entries]
        frames = model.frames()
        if model.entries:
            expected = len(frames), sum(e["size"] for e in frames), len(model.entries) - len(frames)
            assert held(redis_client, stream) == expected
        status = stream.status()
        assert status.pending == sum(e["taken"] for e in model.entries)
        assert status.waiting == sum(not e["taken"] for e in model.entries)
        for camera, counts in status.cameras.items():
            for kind in ("pushed", "dropped", "uninspected"):
                assert getattr(counts, kind) == model.counts[kind, camera]


@pytest.mark.slow
def test_what_was_pushed_survives_a_killed_server(own_server: Any, make_frame: MakeFrame) -> None:
    client = own_server.client()
    stream = stream_of(client, max_frames=3)
    frames = [make_frame() for _ in range(4)]
    for frame in frames:
        stream.push(frame, DROP)
    stream.read("w1", 1)

    own_server.kill()
    own_server.start()

    assert waiting_ids(client, stream) == [str(f.frame_id) for f in frames[1:]]
    assert stream.status().pending == 1
    assert held(client, stream) == (3, 30, 0)
    assert stream.push(frames[3], DROP).dropped == 0
    client.close()


def test_what_a_camera_host_writes_in_place_of_counts_is_left_out(
    redis_client: Redis, make_frame: MakeFrame
) -> None:
    stream = stream_of(redis_client)
    stream.push(make_frame(), BLOCK)
    nonsense = {"pushed:c9": "many", "evil:c1": 1, "dropped:no such name": 1, b"dropped:\xff": 1}
    redis_client.hset(stream.state_key, mapping={**nonsense, "bytes": "heavy"})
    redis_client.sadd(LINES_KEY, "no such name", b"\xff")

    status = stream.status()

    assert status.waiting == 1
    assert status.held_bytes == 0
    assert status.cameras == {"c1": CameraCounts(pushed=1), "c9": CameraCounts()}
    assert known_lines(redis_client) == ["l1"]
