"""Slow an iterator down to a rate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from threading import Event

T = TypeVar("T")


def paced(items: Iterable[T], per_second: float, stop: Event) -> Iterator[T]:
    """Give `items` at most `per_second`, until `stop` is set.

    It waits before it asks for the next item, so an item is never older than it must be. Time lost
    by a slow consumer is made up for by one item at most, not by a burst.
    """
    interval_s = 1 / per_second
    due = time.monotonic()
    for item in items:
        yield item
        due = max(due + interval_s, time.monotonic() - interval_s)
        stop.wait(max(due - time.monotonic(), 0))
        if stop.is_set():
            return
