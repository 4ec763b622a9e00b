"""Progress of long work: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID

#: Seconds between two lines about one stage where there is no terminal.
INTERVAL_S = 15.0


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function to call as progress(stage, done, total); writes to stderr."""
    if not sys.stderr.isatty():
        yield StageLines()
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description:<14}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bars:
        yield _bar_a_stage(bars)


def _bar_a_stage(bars: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, TaskID] = {}

    def advance(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            # What was done before this call is no speed: a resumed training begins in the middle.
            tasks[stage] = bars.add_task(stage, total=total, completed=done)
        bars.update(tasks[stage], completed=done, total=total)

    return advance


@dataclass
class _Stage:
    began: float
    first: int
    told: float
    done: int

    def remaining_s(self, total: int, now: float) -> float | None:
        """Seconds to go at the speed so far; None if nothing was done yet."""
        gained = self.done - self.first
        return (now - self.began) * (total - self.done) / gained if gained > 0 else None


class StageLines:
    """A line when a stage begins, one when it ends, and between them one every `INTERVAL_S`."""

    def __init__(
        self,
        write: Callable[[str], None] = lambda line: click.echo(line, err=True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write lines with `write`; `clock` gives seconds."""
        self._write = write
        self._clock = clock
        self._stages: dict[str, _Stage] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell that `done` of `total` are done."""
        now = self._clock()
        known = self._stages.get(stage)
        if known is None or done < known.done:
            self._stages[stage] = _Stage(began=now, first=done, told=now, done=done)
            self._write(f"{stage}: {done} of {total}")
            return
        is_last = done >= total > known.done
        known.done = done
        if is_last:
            self._write(f"{stage}: {done} of {total}, took {duration(now - known.began)}")
        elif done < total and now - known.told >= INTERVAL_S:
            known.told = now
            remaining = known.remaining_s(total, now)
            tail = "" if remaining is None else f", about {duration(remaining)} left"
            self._write(f"{stage}: {done} of {total}{tail}")


def duration(seconds: float) -> str:
    """A time as people say it: 45 s, 12 min, 2 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
