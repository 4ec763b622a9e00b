"""The frames a camera pushed last: a Redis that comes back without some of them gets them again.

With `appendfsync everysec`, Redis answers before a push is on its disk: it can come back without
the last seconds, more surely if its machine dies. It then names the frame of this camera that it
knows last, and all after that one are pushed again.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ingest.frame import Frame

#: What was pushed before that is on Redis's disk: a write waits for two seconds at most, and is
#: made sure of within another.
KEPT_S = 5.0
KEPT_BYTES = 32 * 1024 * 1024


class Sent(NamedTuple):
    """A frame that was pushed."""

    frame: Frame
    #: Frames the host dropped between the one before and this one.
    dropped_before: int
    #: time.monotonic() then.
    at: float


class RecentFrames:
    """Frames in the order they were pushed, as far as they may be lost."""

    def __init__(self, kept_s: float = KEPT_S, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_s = kept_s
        self._kept_bytes = kept_bytes
        self._sent: deque[Sent] = deque()
        self._bytes = 0
        #: Id of the frame before the oldest that is kept.
        self._before: str | None = None

    @property
    def newest(self) -> str | None:
        """The frame that Redis should know last; None: there is none yet."""
        return str(self._sent[-1].frame.frame_id) if self._sent else None

    def add(self, frame: Frame, dropped_before: int) -> None:
        """Keep a frame that was pushed, and let go of those that are safe by now."""
        now = time.monotonic()
        self._sent.append(Sent(frame, dropped_before, now))
        self._bytes += len(frame.image)
        while len(self._sent) > 1 and (
            self._sent[0].at < now - self._kept_s or self._bytes > self._kept_bytes
        ):
            oldest = self._sent.popleft().frame
            self._before = str(oldest.frame_id)
            self._bytes -= len(oldest.image)

    def after(self, known: str) -> list[Sent] | None:
        """The frames pushed after the one that Redis knows last.

        Args:
            known: its id; empty if Redis knows none.

        Returns:
            None if that is not one of those kept, nor the one before.
        """
        sent = self.all()
        if known in ("", self._before):
            return sent
        ids = [str(one.frame.frame_id) for one in sent]
        return sent[ids.index(known) + 1 :] if known in ids else None

    def all(self) -> list[Sent]:
        """Those kept, oldest first."""
        return list(self._sent)

    def renew(self, sent: Sent) -> None:
        """Note that a frame was pushed again just now."""
        self._sent[self._sent.index(sent)] = sent._replace(at=time.monotonic())

    def remove(self, sent: Sent) -> None:
        """Let go of a frame that was dropped after all."""
        self._sent.remove(sent)
        self._bytes -= len(sent.frame.image)

    def clear(self) -> None:
        """Let go of all, as after none."""
        self._sent.clear()
        self._bytes, self._before = 0, None
