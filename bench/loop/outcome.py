"""A plan and what is kept of it, as the section's parts want it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.loop.measuring import Scored, difference, draws, intervals, scores_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.loop.measuring import Difference
    from bench.loop.plan import Plan
    from models.statistics.intervals import Interval


@dataclass(frozen=True)
class Run:
    """A plan and what is kept of it."""

    plan: Plan
    result: dict[str, Any]

    @property
    def title(self) -> str:
        """The set's name."""
        return Path(self.plan.data).name

    @property
    def live(self) -> list[int]:
        """The version that scored at the start and after each round."""
        return [1, *(one["live"] for one in self.result["rounds"])]

    @property
    def confirmed(self) -> list[int]:
        """How many defects were confirmed then."""
        return [0, *(one["confirmed"] for one in self.result["rounds"])]

    @cached_property
    def draws(self) -> list[dict[str, Any]]:
        """Other choices of the tested parts."""
        return draws(self.result["parts"])

    @cached_property
    def _intervals(self) -> dict[int, tuple[Interval, Interval]]:
        return {}

    def intervals(self, number: int) -> tuple[Interval, Interval]:
        """Of a version's AUROC and escape rate; worked out once."""
        if number not in self._intervals:
            self._intervals[number] = intervals(self.tested(number), self.draws)
        return self._intervals[number]

    def tested(self, number: int) -> Scored:
        """A version's scores of the parts nobody reviewed."""
        return scores_of(self.result["scores"][str(number)])

    def against_start(self, number: int) -> Difference:
        """A version against the starting model."""
        return difference(self.tested(number), self.tested(1), self.draws)

    def of_kind(self, kind: str) -> Callable[[int], Scored]:
        """As `tested`, with the defects of one kind only."""
        chosen = np.array(self.result["kinds"]) == kind
        return lambda number: scores_of(self.result["scores"][str(number)], chosen)


def signed(value: float, interval: Interval, *, percent: bool = False) -> str:
    """A difference and its interval."""
    form = "+.1%" if percent else "+.3f"
    return f"{value:{form}} ({interval.lower:{form}} to {interval.upper:{form}})"
