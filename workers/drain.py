"""One drain job: empty a line's stream, batch by batch, until nothing comes or the time is up.

Order is what makes it safe. The bell says "a worker is on it": it is set before reading and
silenced before the last look, so a frame pushed before is found by that look and one pushed after
rings anew. Entries are acknowledged only after their rows are committed, and rows are unique, so a
crash anywhere costs a repetition and never a frame. What else is done with a frame (a candidate in
the shadow, a teaching that collects) comes after its acknowledgement, and may fail.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from db import inspections
from db.errors import DatabaseUnavailable, NotFound, StoreError
from db.tables import utc_now
from ingest.doorbell import HELPER_INTERVAL_MS, Doorbell
from ingest.errors import MessageError
from ingest.frame import from_fields
from ingest.stream import FrameStream
from workers.errors import INTERRUPTIONS
from workers.recording import Batch, Quarantined, Recorder
from workers.scoring import Judged, Refused
from workers.shadowing import Shadowing
from workers.status import report_status
from workers.tallies import tallies_of
from workers.teaching import FirstFrames, collect_first, collect_judged, first_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.frame import Frame
    from ingest.stream import Entry
    from workers.active_models import ActiveModel
    from workers.context import WorkerContext

log = structlog.get_logger()

#: How often a drain looks for frames of dead workers, and reports how the stream stands.
CHORES_S = 1.0
#: Not the frames' fault: they count as never delivered. After anything else they are tried again,
#: one by one, and the one at fault ends in quarantine.
OUTAGES = (
    DatabaseUnavailable,
    OperationalError,
    StoreError,
    RedisError,
    *INTERRUPTIONS,
    KeyboardInterrupt,
    SystemExit,
)


class Drain:
    """Drains one line in one worker process."""

    def __init__(self, context: WorkerContext, line: str) -> None:
        self._context = context
        self._line = line
        self._stream = FrameStream(context.redis, line)
        self._doorbell = Doorbell(context.redis)
        self._shadowing = Shadowing(context, line)
        self._chores_at = 0.0
        self._helper_at = 0.0
        self._deadline = time.monotonic() + context.config.drain_budget_s
        self.frames = 0

    def run(self) -> int:
        """Drain; returns the number of entries finished.

        Frames of a line without a model stay where they are, unless a teaching wants them.
        """
        try:
            return self._run()
        finally:
            if self._context.heartbeat is not None:
                self._context.heartbeat.rest()

    def _run(self) -> int:
        self._doorbell.attend(self._line)
        attended_at = time.monotonic()
        while True:
            self._context.beat()
            taker = self._taker()
            if taker is None:
                return self.frames
            entries = self._next_entries(taker)
            if not entries:
                break
            self._process(taker, entries)
            now = time.monotonic()
            if now >= self._deadline or self._context.should_stop():
                self._doorbell.hush(self._line)
                self._doorbell.ring(self._line)
                break
            came_while_busy = len(entries) >= min(2, self._context.config.max_batch)
            if came_while_busy and now >= self._helper_at:  # nobody else would be called before
                self._doorbell.call_helper(self._line)
                self._helper_at = now + HELPER_INTERVAL_MS / 1e3
            if now - attended_at > self._doorbell.attendance_s / 3:
                self._doorbell.attend(self._line)
                attended_at = now
        return self.frames

    def _taker(self) -> ActiveModel | FirstFrames | None:
        """Who takes the line's frames now: its model, or a teaching for its first one."""
        taker: ActiveModel | FirstFrames | None = None
        try:
            taker = self._context.models.get(self._line)
            if taker is None:
                taker = first_frames(self._context, self._line)
        except NotFound:
            pass
        if taker is None:
            log.warning("line.no_active_model", line=self._line)
        return taker

    def _next_entries(self, taker: ActiveModel | FirstFrames) -> list[Entry]:
        """The next entries; empty when the bell is silent and nothing is left."""
        config, name = self._context.config, self._context.name
        if time.monotonic() >= self._chores_at:
            self._chores_at = time.monotonic() + CHORES_S
            report_status(self._context, self._stream, taker.line_id)
            self._take_over(taker)
        entries = self._stream.read(name, config.max_batch)
        if entries:
            return entries
        if not self._doorbell.others_wait():
            entries = self._stream.read(name, config.max_batch, wait_ms=config.max_wait_ms)
        if not entries:
            self._doorbell.hush(self._line)
            entries = self._stream.read(name, config.max_batch)
            if entries:
                self._doorbell.attend(self._line)
        return entries

    def _take_over(self, taker: ActiveModel | FirstFrames) -> None:
        """Finish the frames of workers that died, each alone: one that kills workers is found."""
        idle_ms = int(self._context.config.visibility_timeout_s * 1000)
        while entry := self._stream.claim_stale(self._context.name, idle_ms):
            log.info("frame.taken_over", line=self._line, deliveries=entry.deliveries)
            if not self._process(taker, [entry]):
                return
            if self._context.should_stop() or time.monotonic() >= self._deadline:
                return

    def _process(self, taker: ActiveModel | FirstFrames, entries: Sequence[Entry]) -> bool:
        """Finish entries; False if some are given back, since nobody wants them yet."""
        self._context.beat()
        batch = Batch()
        left: list[Entry] = []
        try:
            readable = self._read_messages(entries, batch)
            if isinstance(taker, FirstFrames):
                left = collect_first(self._context, self._line, taker, readable, batch)
            else:
                self._score(taker, readable, batch)
                Recorder(self._context, self._line, taker).commit(batch)
        except OUTAGES:
            self._give_back(entries)
            raise
        finished = [entry for entry in entries if entry not in left]
        now = utc_now()
        ages = [(now - frame.captured_at).total_seconds() * 1e3 for frame, _ in batch.judged]
        self._stream.acknowledge(finished, ages, tallies_of(batch, ages, taker))
        self.frames += len(finished)
        if left:
            self._give_back(left)
        if not isinstance(taker, FirstFrames):
            self._follow(taker, batch, is_busy=len(entries) >= self._context.config.max_batch)
        return not left

    def _follow(self, model: ActiveModel, batch: Batch, *, is_busy: bool) -> None:
        """What else is done with frames that have their verdict."""
        if model.teaching_id is not None:
            frames = [frame for frame, _ in batch.judged]
            collect_judged(self._context, self._line, model.teaching_id, model.version_id, frames)
        self._shadowing.follow(model, batch.judged, is_busy=is_busy)

    def _give_back(self, entries: Sequence[Entry]) -> None:
        try:
            self._stream.give_back(entries)
        except RedisError:  # then they are taken over after the visibility timeout
            log.warning("frames.not_given_back", line=self._line, exc_info=True)

    def _read_messages(self, entries: Sequence[Entry], batch: Batch) -> list[tuple[Entry, Frame]]:
        """The entries that hold a picture; what becomes of the others goes into `batch`."""
        readable: list[tuple[Entry, Frame]] = []
        for entry in entries:
            frame = self._read_message(entry, batch)
            if frame is None:
                continue
            if frame.uninspected is not None:
                batch.uninspected.append(frame)
            elif entry.deliveries > self._context.config.max_deliveries:
                self._give_up(entry, frame, batch)
            else:
                readable.append((entry, frame))
        return readable

    def _give_up(self, entry: Entry, frame: Frame, batch: Batch) -> None:
        """Quarantine a frame, unless only its acknowledgements failed: then it has its verdict."""
        with Session(self._context.engine) as session:
            if inspections.has_verdict(session, frame.frame_id):
                return
        detail = f"delivered {entry.deliveries} times without a verdict: it may crash workers"
        refusal = Refused("too_many_deliveries", detail)
        batch.quarantined.append(Quarantined(entry, frame, refusal))

    def _score(
        self, model: ActiveModel, readable: Sequence[tuple[Entry, Frame]], batch: Batch
    ) -> None:
        outcomes = model.scorer.score([frame for _, frame in readable]) if readable else []
        for (entry, frame), outcome in zip(readable, outcomes, strict=True):
            if isinstance(outcome, Judged):
                batch.judged.append((frame, outcome))
            else:
                batch.quarantined.append(Quarantined(entry, frame, outcome))

    def _read_message(self, entry: Entry, batch: Batch) -> Frame | None:
        try:
            frame = from_fields(entry.fields)
            if frame.line != self._line:
                raise MessageError("line", f"is {frame.line!r} in the stream of {self._line!r}")
        except MessageError as exc:
            refusal = Refused("bad_message", str(exc))
            batch.quarantined.append(Quarantined(entry, None, refusal))
            return None
        return frame
