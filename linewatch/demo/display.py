"""What the demo shows while it runs: a calm picture on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.live import Live
    from rich.table import Table

#: The rate shown is that of the last seconds.
RATE_WINDOW_S = 5.0
PLAIN_INTERVAL_S = 3.0


@dataclass(frozen=True)
class Standing:
    """How the run stands."""

    sent: int
    #: Wanted in all; None: no end.
    wanted: int | None
    judged: int
    by_verdict: dict[str, int]
    #: Frames in the stream and in work.
    lag: int
    address: str | None


class Display:
    """Shows the standing, as often as it is told."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._marks: deque[tuple[float, int]] = deque()
        self._printed_at = float("-inf")

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(refresh_per_second=4, transient=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, standing: Standing) -> None:
        """Show it, or on a plain output keep it until some seconds have passed."""
        now = time.monotonic()
        self._marks.append((now, standing.judged))
        while now - self._marks[0][0] > RATE_WINDOW_S:
            self._marks.popleft()
        if self._live is not None:
            self._live.update(_table(standing, self._rate()))
        elif now - self._printed_at >= PLAIN_INTERVAL_S:
            self._printed_at = now
            click.echo(_line(standing, self._rate()))

    def _rate(self) -> float:
        (first_at, first), (last_at, last) = self._marks[0], self._marks[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0


def _verdicts(standing: Standing) -> str:
    order = ("PASS", "REVIEW", "REJECT", "UNINSPECTED")
    parts = [f"{name} {standing.by_verdict[name]}" for name in order if name in standing.by_verdict]
    return ", ".join(parts) or "none yet"


def _sent(standing: Standing) -> str:
    return (
        f"{standing.sent}" if standing.wanted is None else f"{standing.sent} of {standing.wanted}"
    )


def _line(standing: Standing, rate: float) -> str:
    return (
        f"frames {_sent(standing)} | verdicts {standing.judged} ({_verdicts(standing)}) | "
        f"{rate:.1f} per s | lag {standing.lag}"
    )


def _table(standing: Standing, rate: float) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_row("frames", _sent(standing))
    table.add_row("verdicts", f"{standing.judged}  ({_verdicts(standing)})")
    table.add_row("rate", f"{rate:.1f} per s")
    table.add_row("lag", f"{standing.lag} frames")
    if standing.address:
        table.add_row("dashboard", standing.address)
    table.add_row("", "Ctrl-C ends everything")
    return table
