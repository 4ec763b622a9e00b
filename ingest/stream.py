"""Both ends of a line's frame stream: a bounded Redis Stream with one consumer group.

Everything that must be one step (push if there is room, ring the doorbell; remove what is
committed, give the room back) is a Lua script beside this file, so a crash between two commands
cannot leave the counts wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from importlib.resources import files
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import ResponseError

from ingest.errors import FrameTooLarge
from ingest.frame import NAME, Frame, check_name, to_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import Redis

GROUP = "score"
LINES_KEY = "linewatch:lines"
#: Latest latencies kept per line, for percentiles.
LATENCY_SAMPLES = 10_000
#: Longer than any visibility timeout.
GIVEN_BACK_IDLE_MS = 24 * 3600 * 1000
#: A bell that was rung but whose job never came is forgotten after this time.
BELL_TTL_MS = 10_000


class FullPolicy(StrEnum):
    """What a camera does when its line's stream is full."""

    #: Wait up to a limit, then report the part as uninspected: for files and triggered parts.
    BLOCK = "block"
    #: Drop the oldest frame no worker has taken, and count it: for free-running video.
    DROP_OLDEST = "drop_oldest"


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much one line's stream may hold before its cameras feel it."""

    max_frames: int = 1_000
    max_bytes: int = 256 * 1024 * 1024
    #: Notices carry no image, so they have a limit of their own.
    max_notices: int = 100_000


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push."""

    #: False: the stream is full (`block`), or everything in it is being scored (`drop_oldest`).
    accepted: bool
    #: Frames dropped to make room; counts the frame itself if it was the one to go.
    dropped: int
    #: The bell was silent: the caller must enqueue one drain job.
    ring: bool
    #: Nothing was done, as the camera's frame before is not the one that was named: this one is
    #: (empty: none). None: it was.
    known: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream entry as a worker receives it, not yet validated."""

    entry_id: str
    fields: dict[bytes, bytes]
    #: How often the entry was handed to a worker, this time included.
    deliveries: int = 1

    @property
    def is_notice(self) -> bool:
        """True for a frame that was reported as uninspected instead of queued."""
        return b"uninspected" in self.fields

    @property
    def held_bytes(self) -> int:
        """The bytes this entry counts for in the stream's limit; -1 for a notice."""
        return -1 if self.is_notice else len(self.fields.get(b"image", b""))


@dataclass(frozen=True, slots=True)
class CameraCounts:
    """What a camera's frames came to since the stream's state was created."""

    pushed: int = 0
    dropped: int = 0
    uninspected: int = 0


CAMERA_COUNTS = frozenset(field.name for field in fields(CameraCounts))


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How a line's stream stands."""

    #: Frames and notices no worker has taken yet.
    waiting: int
    #: Frames and notices a worker has taken and not yet finished.
    pending: int
    held_bytes: int
    cameras: dict[str, CameraCounts]


def _number(value: bytes) -> int:
    try:
        return int(value)
    except ValueError:
        return 0


def known_lines(redis: Redis) -> list[str]:
    """Every line that ever pushed a frame to this Redis; what cannot name one is left out."""
    found = cast("set[bytes]", redis.smembers(LINES_KEY))
    names = (name.decode(errors="replace") for name in found)
    return sorted(name for name in names if NAME.fullmatch(name))


class FrameStream:
    """One line's stream. Cameras push, scoring workers read and acknowledge."""

    def __init__(self, redis: Redis, line: str, limits: StreamLimits | None = None) -> None:
        check_name("line", line)
        self.line = line
        self.limits = limits or StreamLimits()
        self._redis = redis
        prefix = f"linewatch:{line}"
        self.frames_key = f"{prefix}:frames"
        self.state_key = f"{prefix}:state"
        self.droppable_key = f"{prefix}:droppable"
        self.bell_key = f"{prefix}:bell"
        self.latencies_key = f"{prefix}:latencies"
        self.last_key = f"{prefix}:last"
        self.waiting_key = f"{prefix}:waiting"
        self.room_key = f"{prefix}:room"
        self.reported_key = f"{prefix}:reported"
        self.tallies_key = f"{prefix}:tallies"
        scripts = files("ingest")
        self._push = redis.register_script((scripts / "push.lua").read_text())
        self._acknowledge = redis.register_script((scripts / "acknowledge.lua").read_text())
        self._forget = redis.register_script((scripts / "forget.lua").read_text())

    # The camera's end

    def push(
        self,
        frame: Frame,
        policy: FullPolicy,
        *,
        after: str | None = None,
        dropped_before: int = 0,
    ) -> Pushed:
        """Add a frame if there is room, or make room as `policy` says.

        Notices only need room for notices.

        Args:
            frame: the frame, or a notice.
            policy: what happens if there is no room.
            after: id of the camera's frame before; where Redis knows another, it was set back, and
                nothing is done. None: whatever it knows.
            dropped_before: frames that the camera's host dropped since its last one; counted with
                this one, and with it only.

        Raises:
            FrameTooLarge: if the frame alone exceeds the stream's bytes.
        """
        size = len(frame.image)
        if size > self.limits.max_bytes:
            raise FrameTooLarge(size, self.limits.max_bytes)
        keys = [
            self.frames_key,
            self.state_key,
            self.droppable_key,
            self.bell_key,
            LINES_KEY,
            self.last_key,
            self.waiting_key,
        ]
        arguments: list[Any] = [
            self.limits.max_frames,
            self.limits.max_bytes,
            policy.value,
            GROUP,
            BELL_TTL_MS,
            self.line,
            frame.camera,
            size,
            int(frame.uninspected is not None),
            self.limits.max_notices,
            str(frame.frame_id),
            after or "",
            dropped_before,
            *to_fields(frame),
        ]
        accepted, dropped, ring, *known = cast("list[Any]", self._push(keys=keys, args=arguments))
        return Pushed(bool(accepted), dropped, bool(ring), *[one.decode() for one in known])

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until entries are acknowledged after a push was refused; False after `timeout_s`.

        Another camera may be faster: push again, and see.
        """
        return self._redis.blpop([self.room_key], timeout=timeout_s) is not None

    def count_dropped(self, camera: str, count: int) -> None:
        """Add frames that a camera host lost before the stream, being slow or cut off from it."""
        self._redis.hincrby(self.state_key, f"dropped:{camera}", count)

    # The worker's end

    def read(self, consumer: str, max_frames: int, wait_ms: int = 0) -> list[Entry]:
        """Take up to `max_frames` new entries; wait at most `wait_ms` for the first."""
        arguments: Any = {"count": max_frames, "block": wait_ms or None}
        try:
            reply = self._redis.xreadgroup(GROUP, consumer, {self.frames_key: ">"}, **arguments)
        except ResponseError as exc:
            # The second: the stream was deleted while this call waited for a frame.
            if not str(exc).startswith(("NOGROUP", "UNBLOCKED")):
                raise
            self._create_group()
            reply = self._redis.xreadgroup(GROUP, consumer, {self.frames_key: ">"}, **arguments)
        if not reply:
            return []
        return [Entry(i.decode(), f) for i, f in cast("Any", reply)[0][1] if f is not None]

    def claim_stale(self, consumer: str, idle_ms: int) -> Entry | None:
        """Take over one entry whose worker has been silent for `idle_ms`, or None.

        One at a time on purpose: if it is the entry that kills workers, no other is counted as
        delivered with it.
        """
        claimed: list[Any] = []
        start = b"0-0"
        while not claimed:
            try:
                reply = self._redis.xautoclaim(
                    self.frames_key, GROUP, consumer, min_idle_time=idle_ms, start_id=start, count=1
                )
            except ResponseError as exc:
                if str(exc).startswith("NOGROUP"):
                    return None
                raise
            claimed = [(i, f) for i, f in cast("Any", reply)[1] if f is not None]
            # One call looks at a few pending entries only and says where to go on.
            start = cast("Any", reply)[0]
            if start == b"0-0" and not claimed:
                return None
        entry_id, fields = claimed[0]
        pending = self._redis.xpending_range(self.frames_key, GROUP, entry_id, entry_id, 1)
        deliveries = cast("Any", pending)[0]["times_delivered"] if pending else 1
        return Entry(entry_id.decode(), fields, deliveries)

    def acknowledge(
        self,
        entries: Sequence[Entry],
        latencies_ms: Sequence[float] = (),
        tallies: Mapping[str, int] | None = None,
    ) -> None:
        """Remove entries whose verdict is committed.

        Args:
            entries: as they were read.
            latencies_ms: from capture to commit.
            tallies: what to add to the line's counters, by name.
        """
        if not entries:
            return
        self._acknowledge(
            keys=[
                self.frames_key,
                self.state_key,
                self.latencies_key,
                self.waiting_key,
                self.room_key,
                self.tallies_key,
            ],
            args=[
                GROUP,
                LATENCY_SAMPLES,
                len(entries),
                *[e.entry_id for e in entries],
                *[e.held_bytes for e in entries],
                len(tallies or {}),
                *cast("Any", chain.from_iterable((tallies or {}).items())),
                *[f"{ms:.2f}" for ms in latencies_ms],
            ],
        )

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Offer entries to the next `claim_stale` at once, as if not delivered this time."""
        for entry in entries:
            self._redis.xclaim(
                self.frames_key,
                GROUP,
                "given-back",
                min_idle_time=0,
                message_ids=[entry.entry_id],
                idle=GIVEN_BACK_IDLE_MS,
                retrycount=entry.deliveries - 1,
                justid=True,
            )

    def _create_group(self) -> None:
        try:
            self._redis.xgroup_create(self.frames_key, GROUP, id="0", mkstream=True)
        except ResponseError as exc:
            if not str(exc).startswith("BUSYGROUP"):  # another worker was faster
                raise

    def forget_idle_consumers(self, idle_ms: int = 3600_000) -> None:
        """Remove consumers that hold nothing and were silent for `idle_ms`: workers long gone."""
        self._forget(keys=[self.frames_key], args=[GROUP, idle_ms])

    # What anyone may ask

    def status(self) -> StreamStatus:
        """How many entries wait or are in work, and each camera's counts.

        Camera hosts may write these counts themselves: what is none is left out.
        """
        length = self._redis.xlen(self.frames_key)
        pending = self._pending() if length else 0
        state = cast("dict[bytes, bytes]", self._redis.hgetall(self.state_key))
        counts: dict[str, dict[str, int]] = {}
        for key, value in state.items():
            kind, _, camera = key.decode(errors="replace").partition(":")
            if kind in CAMERA_COUNTS and NAME.fullmatch(camera):
                counts.setdefault(camera, {})[kind] = _number(value)
        return StreamStatus(
            waiting=max(length - pending, 0),
            pending=pending,
            held_bytes=_number(state.get(b"bytes", b"")) if length else 0,
            cameras={camera: CameraCounts(**c) for camera, c in counts.items()},
        )

    def _pending(self) -> int:
        try:
            groups = self._redis.xinfo_groups(self.frames_key)
        except ResponseError as exc:
            if "no such key" in str(exc):  # deleted since its length was asked for
                return 0
            raise
        return sum(g["pending"] for g in groups if g["name"] == GROUP.encode())

    def tallies(self) -> dict[str, int]:
        """What was counted with each acknowledgement since the stream's state was created."""
        found = cast("dict[bytes, bytes]", self._redis.hgetall(self.tallies_key))
        return {name.decode(): int(value) for name, value in found.items()}

    def oldest_age_s(self) -> float:
        """Seconds for which the oldest entry has been in the stream; 0 if there is none."""
        first = cast("list[Any]", self._redis.xrange(self.frames_key, count=1))
        if not first:
            return 0.0
        seconds, micros = self._redis.time()
        return max(0.0, seconds + micros / 1e6 - int(first[0][0].split(b"-")[0]) / 1e3)

    def latencies_ms(self) -> list[float]:
        """The latest capture-to-commit latencies, oldest first."""
        return [
            float(v) for v in cast("list[bytes]", self._redis.lrange(self.latencies_key, 0, -1))
        ]
