"""What a scoring process is asked to do while its time is taken."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.sharedctypes import Synchronized
    from typing import Any

    #: Decodes and scores so many frames as one batch.
    Score = Callable[[int], None]

# time.monotonic() is one clock for all processes of a machine, so times may be handed to them.


class Load(Protocol):
    """Work that can be sent to a scoring process; what it returns is sent back."""

    def run(self, score: Score, taken: Synchronized[int]) -> Any:
        """Do it; `taken` counts, over all processes, the frames that somebody has taken."""
        ...


@dataclass(frozen=True)
class Flooded:
    """What one process scored when frames always waited."""

    frames: int
    seconds: float
    #: Time of each batch, decoding included.
    batch_ms: list[float]


@dataclass(frozen=True)
class Flood:
    """Batches of one size without a pause."""

    batch: int
    #: On the clock time.monotonic(): all processes begin together.
    begin_at: float
    seconds: float

    def run(self, score: Score, taken: Synchronized[int]) -> Flooded:
        """Score until the time is over; the last batch is finished and counted."""
        _sleep_until(self.begin_at)
        times = [time.monotonic()]
        while times[-1] < self.begin_at + self.seconds:
            score(self.batch)
            times.append(time.monotonic())
        batch_ms = [(end - begin) * 1e3 for begin, end in pairwise(times)]
        return Flooded(self.batch * len(batch_ms), times[-1] - times[0], batch_ms)


@dataclass(frozen=True)
class Trafficked:
    """How the frames fared that one process took."""

    #: From a frame's arrival to its score.
    latency_ms: list[float]
    #: When it had nothing left to do, on the clock time.monotonic().
    ended_at: float


@dataclass(frozen=True)
class Traffic:
    """Frames that arrive whether anybody is free or not, and are taken by whoever is free."""

    #: When each frame arrives, on the clock time.monotonic(), ascending.
    arrivals: Sequence[float]
    #: A process takes what waits, up to so many.
    max_batch: int

    def run(self, score: Score, taken: Synchronized[int]) -> Trafficked:
        """Score until no frame is left to take."""
        latencies: list[float] = []
        while batch := self._take(taken):
            score(len(batch))
            now = time.monotonic()
            latencies += [(now - arrived) * 1e3 for arrived in batch]
        return Trafficked(latencies, time.monotonic())

    def _take(self, taken: Synchronized[int]) -> Sequence[float]:
        """Arrival times of the next frames; empty when all were taken."""
        # Who holds the lock waits for the next frame, the others for the lock.
        with taken.get_lock():
            first = taken.value
            if first >= len(self.arrivals):
                return ()
            _sleep_until(self.arrivals[first])
            waiting = bisect_right(self.arrivals, time.monotonic(), lo=first + 1)
            last = min(waiting, first + self.max_batch)
            taken.value = last
        return self.arrivals[first:last]


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
