"""One demo at a time in a home, and an orderly end whatever signal comes."""

from __future__ import annotations

import fcntl
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from linewatch.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A closed terminal is a wish to end, too.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def only_demo(home: Path) -> Iterator[None]:
    """Hold the home's lock: two demos would count each other's frames.

    Raises:
        DemoError: if a demo runs there.
    """
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            message = f"a demo runs in {home} already: end it, or give another --home"
            raise DemoError(message) from exc
        yield


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt on every signal that asks the program to end.

    SIGINT is among them because a shell starts background programs with SIGINT ignored.
    """
    with _handling(signal.default_int_handler):
        yield


@contextmanager
def deaf_to_signals() -> Iterator[None]:
    """Ignore further signals while everything is ended."""
    with _handling(signal.SIG_IGN):
        yield


@contextmanager
def _handling(handler: Any) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in ENDING}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
