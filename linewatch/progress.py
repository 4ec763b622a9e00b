"""Progress of long work: a bar on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function to call as progress(stage, done, total); writes to stderr."""
    if not sys.stderr.isatty():
        yield _one_line_a_stage()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _one_bar_a_stage(bars)


def _one_bar_a_stage(bars: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, TaskID] = {}

    def advance(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total)
        bars.update(tasks[stage], completed=done, total=total)

    return advance


def _one_line_a_stage() -> Callable[[str, int, int], None]:
    seen: set[str] = set()

    def advance(stage: str, done: int, total: int) -> None:
        if stage not in seen:
            seen.add(stage)
            click.echo(f"{stage}: {total}", err=True)

    return advance
