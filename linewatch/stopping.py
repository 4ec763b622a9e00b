"""Ctrl-C and SIGTERM in long work: one line instead of a traceback."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What a shell adds to the signal's number: 130 after Ctrl-C, 143 after SIGTERM.
SIGNAL_EXIT = 128


class _Stopped(KeyboardInterrupt):
    """Raised in the main thread by either signal; libraries clean up as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stopped_in_one_line(advice: Callable[[], str]) -> Iterator[None]:
    """End the command by one line and the signal's exit code where a signal stops what is within.

    Args:
        advice: called then; says how to go on.
    """

    owner = os.getpid()

    def stop(number: int, _frame: Any) -> None:
        if os.getpid() != owner:  # libraries fork helpers, which inherit this and are not to talk
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise _Stopped(number)

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _Stopped as exc:
        click.echo(f"linewatch: stopped; {advice()}", err=True)
        raise click.exceptions.Exit(SIGNAL_EXIT + exc.number) from exc
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
