"""From a camera into its line's stream: what happens when that is full, or Redis away."""

from __future__ import annotations

import time
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import structlog
from redis.exceptions import RedisError
from tenacity import (
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from ingest.connection import is_outage
from ingest.errors import FrameTooLarge, StreamFull
from ingest.recent import RecentFrames
from ingest.stream import FullPolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from ingest.doorbell import Doorbell
    from ingest.frame import Frame
    from ingest.stream import FrameStream, Pushed

log = structlog.get_logger()

T = TypeVar("T")

#: Pushes into a full stream are repeated when there is room, and after this time in any case.
ROOM_TIMEOUT_S = 0.1
#: Pause between two notices into a stream that is full even of these.
NOTICE_PAUSE_S = 0.02
#: Longest pause between two tries to reach Redis, at first and at last.
FIRST_RETRY_S, LAST_RETRY_S = 0.05, 2.0
#: How long a camera that ends tries to report what it dropped.
FINISH_PATIENCE_S = 5.0
#: The first frames that were tried when Redis did not answer: one of them may have arrived.
MAX_DOUBTFUL = 8


class Outcome(StrEnum):
    """What became of a frame."""

    SENT = "sent"
    #: Not in the stream, and counted.
    DROPPED = "dropped"
    #: A notice is in the stream in its place.
    UNINSPECTED = "uninspected"
    #: Neither: the camera was told to stop first.
    UNSENT = "unsent"


class Delivery:
    """Delivers one camera's frames, one at a time, by its policy."""

    def __init__(
        self,
        stream: FrameStream,
        doorbell: Doorbell,
        camera: str,
        policy: FullPolicy,
        block_timeout_s: float,
    ) -> None:
        self._stream = stream
        self._doorbell = doorbell
        self._camera = camera
        self._policy = policy
        self._block_timeout_s = block_timeout_s
        self._log = log.bind(line=stream.line, camera=camera)
        self._out_since: float | None = None
        #: Since when the stream has had no room for the frame in hand; an outage starts it anew.
        self._full_since: float | None = None
        self._full_is_logged = False
        self._ring_is_due = False
        self._retry_at = 0.0
        self._retry_pause_s = FIRST_RETRY_S
        self._unreported = 0
        self._recent = RecentFrames()
        #: Counted as dropped, as Redis did not answer, though one may have arrived; and how many
        #: others were said to be dropped with it.
        self._doubtful: list[tuple[Frame, int]] = []
        #: Frames dropped by this camera's pushes: its own and others', in and before the stream.
        self.dropped = 0

    def deliver(self, frame: Frame, stop: Event, *, resumes: bool = False) -> Outcome:
        """Bring a frame into the stream, or do with it what the policy says.

        Args:
            frame: the frame, or a notice.
            stop: ends the waiting.
            resumes: the frame will be offered again at the next start, so stopping needs no notice.
        """
        try:
            if frame.uninspected is not None:
                return self._deliver_notice(frame, stop)
            if self._policy is FullPolicy.DROP_OLDEST:
                return self._deliver_or_drop(frame)
            return self._deliver_or_wait(frame, stop, resumes=resumes)
        except FrameTooLarge as exc:
            self._log.error("frame_too_large", frame=str(frame.frame_id), reason=str(exc))
            return self._deliver_notice(as_notice(frame, str(exc)), stop)

    def count_dropped(self, count: int) -> None:
        """Count frames that were lost before they could be delivered; reported with the next."""
        self.dropped += count
        self._unreported += count

    def finish(self) -> None:
        """Ring and report what is due, and wait a little for a Redis that is away.

        Longer, and the sweeper rings; but what was dropped then stands in this log alone.
        """
        retrying = Retrying(
            retry=retry_if_exception(lambda exc: isinstance(exc, RedisError) and is_outage(exc)),
            wait=wait_random_exponential(FIRST_RETRY_S, LAST_RETRY_S),
            stop=stop_after_delay(FINISH_PATIENCE_S),
            reraise=True,
        )
        try:
            retrying(self._settle_all)
        except RedisError as exc:
            self._log.error(
                "stream_unreachable_at_stop", reason=str(exc), drops_not_reported=self._unreported
            )

    def _settle_all(self) -> None:
        self._settle_debts()
        if self._unreported:
            self._stream.count_dropped(self._camera, self._unreported)
            self._unreported = 0

    # block

    def _deliver_or_wait(self, frame: Frame, stop: Event, *, resumes: bool) -> Outcome:
        self._full_since = None
        while True:
            pushed = self._until_reachable(lambda: self._push(frame), stop)
            if pushed is None:
                self._log.error("frame_unsent", frame=str(frame.frame_id), reason="Redis is away")
                return Outcome.UNSENT
            if pushed.accepted:
                self._full_is_logged = False
                return Outcome.SENT
            self._full_since = self._full_since or time.monotonic()
            if stop.is_set():
                if resumes:
                    return Outcome.UNSENT
                return self._deliver_notice(as_notice(frame, "stopped with a full stream"), stop)
            left_s = self._full_since + self._block_timeout_s - time.monotonic()
            if left_s <= 0:
                reason = f"stream full for {self._block_timeout_s:g} s"
                self._note_full()
                return self._deliver_notice(as_notice(frame, reason), stop)
            self._wait_for_room(min(left_s, ROOM_TIMEOUT_S), stop)

    def _wait_for_room(self, timeout_s: float, stop: Event) -> None:
        try:
            # To Redis, 0 is for ever.
            self._stream.wait_for_room(max(timeout_s, 0.001))
        except RedisError:  # what it means, the next push finds out
            stop.wait(timeout_s)

    def _deliver_notice(self, notice: Frame, stop: Event) -> Outcome:
        """Notices have room of their own; where even that is full, wait: silence is no choice."""
        while True:
            pushed = self._until_reachable(lambda: self._push(notice), stop)
            if pushed is not None and pushed.accepted:
                return Outcome.UNINSPECTED
            if stop.is_set():
                reason = "Redis is away" if pushed is None else str(StreamFull(self._stream.line))
                self._log.error("notice_unsent", frame=str(notice.frame_id), reason=reason)
                return Outcome.UNSENT
            self._note_full()
            stop.wait(NOTICE_PAUSE_S)

    def _until_reachable(self, call: Callable[[], T], stop: Event) -> T | None:
        """Call until Redis answers; None if stopped before."""
        try:
            return call()  # nearly always enough, and much cheaper than what follows
        except RedisError as exc:
            if not is_outage(exc):
                raise
        retrying = Retrying(
            retry=retry_if_exception(lambda exc: isinstance(exc, RedisError) and is_outage(exc)),
            wait=wait_random_exponential(FIRST_RETRY_S, LAST_RETRY_S),
            sleep=sleep_using_event(stop),
            stop=stop_when_event_set(stop),
            reraise=True,
        )
        try:
            return retrying(call)
        except RedisError as exc:
            if is_outage(exc):
                return None
            raise

    # drop_oldest

    def _deliver_or_drop(self, frame: Frame) -> Outcome:
        if time.monotonic() < self._retry_at:
            self.count_dropped(1)
            return Outcome.DROPPED
        try:
            pushed = self._push(frame)
        except RedisError as exc:
            if not is_outage(exc):
                raise
            self._retry_at = time.monotonic() + self._retry_pause_s
            self._retry_pause_s = min(self._retry_pause_s * 2, LAST_RETRY_S)
            if len(self._doubtful) < MAX_DOUBTFUL:
                self._doubtful.append((frame, self._unreported))
            self.count_dropped(1)
            return Outcome.DROPPED
        self._retry_pause_s = FIRST_RETRY_S
        self._doubtful.clear()
        # The stream has counted these already.
        self.dropped += pushed.dropped
        return Outcome.SENT if pushed.accepted else Outcome.DROPPED

    # both

    def _push(self, frame: Frame) -> Pushed:
        try:
            pushed = self._push_in_order(frame)
        except RedisError as exc:
            self._note_outage(exc)
            raise
        self._note_back()
        self._ring_is_due = self._ring_is_due or pushed.ring
        try:
            self._settle_debts()
        except RedisError as exc:
            # The frame is in: it must not be pushed again for this. Due with the next one.
            self._note_outage(exc)
        return pushed

    def _push_in_order(self, frame: Frame) -> Pushed:
        """Push a frame; first those before it that Redis has lost."""
        while True:
            dropped = self._unreported
            pushed = self._stream.push(
                frame, self._policy, after=self._recent.newest, dropped_before=dropped
            )
            if pushed.known is None:
                break
            if not self._push_lost(pushed.known):
                return replace(pushed, known=None)
        if pushed.accepted:
            self._recent.add(frame, dropped)
            self._unreported -= dropped
        return pushed

    def _push_lost(self, known: str) -> bool:
        """Push again what followed the frame that Redis knows last; False if there is no room."""
        lost = self._recent.after(known)
        if lost is None and self._did_arrive(known):
            return True
        if lost is None and self._out_since is None:  # another host uses this camera's name
            self._log.warning("stream_not_continued", known=known, wanted=self._recent.newest)
            self._recent.clear()
            return True
        lost = self._recent.all() if lost is None else lost
        self._log.warning("stream_set_back", frames=len(lost))
        for sent in lost:
            pushed = self._stream.push(
                sent.frame, self._policy, after=known, dropped_before=sent.dropped_before
            )
            if pushed.known is not None:
                return True  # set back once more: from the beginning
            self._ring_is_due = self._ring_is_due or pushed.ring
            self.dropped += pushed.dropped
            if pushed.accepted:
                known = str(sent.frame.frame_id)
                self._recent.renew(sent)
            elif self._policy is FullPolicy.BLOCK:
                return False
            else:
                self._recent.remove(sent)
                self._unreported += sent.dropped_before
        return True

    def _did_arrive(self, known: str) -> bool:
        """Whether that frame's push was answered by an error, and was done all the same."""
        for frame, dropped in self._doubtful:
            if str(frame.frame_id) == known:
                self._recent.add(frame, dropped)
                self._unreported -= dropped
                self.count_dropped(-1)
                return True
        return False

    def _settle_debts(self) -> None:
        if self._ring_is_due:
            self._doorbell.call_worker(self._stream.line)
            self._ring_is_due = False

    def _note_full(self) -> None:
        if not self._full_is_logged:
            self._log.error("stream_full", reason=str(StreamFull(self._stream.line)))
            self._full_is_logged = True

    def _note_outage(self, error: RedisError) -> None:
        self._full_since = None
        if self._out_since is None:
            self._out_since = time.monotonic()
            self._log.error("stream_unreachable", reason=f"{type(error).__name__}: {error}")

    def _note_back(self) -> None:
        if self._out_since is not None:
            out_s = round(time.monotonic() - self._out_since, 1)
            self._log.info("stream_reachable", out_s=out_s, dropped=self._unreported)
            self._out_since = None


def as_notice(frame: Frame, reason: str) -> Frame:
    """The message that says a frame was not inspected, and why."""
    return replace(frame, image=b"", uninspected=reason)
