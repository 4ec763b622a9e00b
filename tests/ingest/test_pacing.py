"""Pacing: the rate asked for, no burst after a pause, an end when told."""

from __future__ import annotations

import itertools
import time
from threading import Event

from ingest.pacing import paced


def test_items_come_at_the_rate_asked_for() -> None:
    started = time.monotonic()

    items = list(paced(range(11), 100, Event()))

    # Eleven items, ten intervals of 10 ms, and one interval after the last.
    assert items == list(range(11))
    assert 0.1 <= time.monotonic() - started < 0.3


def test_a_pause_is_not_made_up_for_by_a_burst() -> None:
    times = []
    for n in paced(range(6), 50, Event()):
        times.append(time.monotonic())
        if n == 1:
            time.sleep(0.2)  # ten intervals

    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert sum(gap < 0.01 for gap in gaps) <= 1


def test_stop_ends_the_wait() -> None:
    stop = Event()
    started = time.monotonic()

    for _ in paced(range(5), 0.1, stop):
        stop.set()

    assert time.monotonic() - started < 1
