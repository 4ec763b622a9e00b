"""One part of a plant (Redis, the database), read for scrapes: in bounded time, and not too often.

A server that hangs must not hold up who asks how the plant does, and several who ask must not
become its load. So one thread reads at a time, its answer serves all who ask within a second, and
who asks waits no longer than that.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client import Metric

log = structlog.get_logger()

#: How long an answer serves, and how long a scrape waits for a new one: scrapes come every few
#: seconds, and their own limit is ten.
FRESH_S, PATIENCE_S = 1.0, 0.8


class PlantPart:
    """Its metrics as of this second, or none while it cannot be read."""

    def __init__(self, name: str, read: Callable[[], Iterable[Metric]]) -> None:
        self.name = name
        self._read = read
        self._lock = threading.Lock()
        self._reading: threading.Thread | None = None
        self._metrics: Sequence[Metric] | None = None
        self._read_at = float("-inf")
        self._is_away = False

    def begin(self) -> None:
        """Read in the background, unless an answer is fresh or on its way."""
        with self._lock:
            fresh = time.monotonic() - self._read_at < FRESH_S
            if fresh or (self._reading is not None and self._reading.is_alive()):
                return
            self._reading = threading.Thread(target=self._fetch, name=f"read {self.name}")
            self._reading.daemon = True  # one that hangs must not keep the program from its end
            self._reading.start()

    def metrics(self, deadline: float) -> Sequence[Metric] | None:
        """What was read; None if it could not be, or not by `deadline` (time.monotonic())."""
        reading = self._reading
        if reading is not None:
            reading.join(max(0.0, deadline - time.monotonic()))
            if reading.is_alive():
                self._note_away("it does not answer")
                return None
        return self._metrics

    def _fetch(self) -> None:
        try:
            self._metrics = list(self._read())
        except Exception as exc:  # noqa: BLE001 - whatever it is, the other parts are still told
            self._note_away(f"{type(exc).__name__}: {(str(exc).splitlines() or [''])[0]}")
            self._metrics = None
        else:
            if self._is_away:
                log.info("metrics.read_again", part=self.name)
            self._is_away = False
        self._read_at = time.monotonic()

    def _note_away(self, reason: str) -> None:
        """Say it once: scrapes come every few seconds."""
        if not self._is_away:
            log.warning("metrics.not_read", part=self.name, error=reason)
        self._is_away = True
