"""The p-chart: a share of defectives over time, and which points say that something has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

Rule: TypeAlias = Literal[
    "beyond_3_sigma", "two_of_three_beyond_2_sigma", "four_of_five_beyond_1_sigma", "eight_in_a_row"
]

# Western Electric's rules 1 to 4: of the last `window` points, `needed` lie beyond `sigmas` on one
# side.
_RULES: dict[Rule, tuple[int, int, float]] = {
    "beyond_3_sigma": (1, 1, 3.0),
    "two_of_three_beyond_2_sigma": (2, 3, 2.0),
    "four_of_five_beyond_1_sigma": (4, 5, 1.0),
    "eight_in_a_row": (8, 8, 0.0),
}


@dataclass(frozen=True)
class Signal:
    """A point at which a rule says that the process has changed."""

    #: Which subgroup, from 0; of a run, its last.
    index: int
    #: Which rule.
    rule: Rule
    #: On which side of the centre line.
    side: Literal["above", "below"]


@dataclass(frozen=True)
class PChart:
    """A p-chart: one point a subgroup."""

    #: (k,) share of defectives of each subgroup.
    shares: NDArray[np.float64]
    #: The centre line.
    centre: float
    #: (k,) three standard deviations below the centre line, at least 0.
    lower: NDArray[np.float64]
    #: (k,) three standard deviations above it, at most 1.
    upper: NDArray[np.float64]
    #: By index, then in the order of the rules.
    signals: tuple[Signal, ...]

    @property
    def out_of_control(self) -> list[int]:
        """The subgroups at which any rule fires, each once, in order."""
        return sorted({signal.index for signal in self.signals})


def p_chart(
    counts: Sequence[int] | NDArray[np.integer],
    defectives: Sequence[int] | NDArray[np.integer],
    *,
    centre: float | None = None,
    rules: Collection[Rule] = ("beyond_3_sigma", "eight_in_a_row"),
) -> PChart:
    """Chart the share of defectives of subgroups in order of time.

    The limits are c +- 3 sqrt(c (1 - c) / n), for each subgroup's own size n. On a process that
    does not change, the two rules taken by default fire at about one point in 150; all four at one
    in 90, hence they are asked for by name. With n c below 5 the binomial is lopsided, and points
    above the limit are more frequent than that: take larger subgroups.

    Args:
        counts: (k,) parts of each subgroup, at least 1: leave out hours without parts.
        defectives: (k,) defective ones among them.
        centre: the share of a period known to be good; the share of all these parts if None.
        rules: which rules to apply.

    Raises:
        ValueError: if the counts, the centre or a rule are not as said.

    Source: Montgomery, "Introduction to Statistical Quality Control", chapter 7; Western Electric,
    "Statistical Quality Control Handbook", 1956 (the rules); Champ and Woodall, "Exact results for
    Shewhart control charts with supplementary runs rules", Technometrics 1987 (how often they
    fire).
    """
    n, d = np.asarray(counts, dtype=np.float64), np.asarray(defectives, dtype=np.float64)
    if n.shape != d.shape or n.ndim != 1 or not n.size or (n < 1).any() or (d < 0).any():
        raise ValueError("expected parts and defectives of one or more subgroups, each with a part")
    if (d > n).any():
        raise ValueError("a subgroup has more defectives than parts")
    unknown = sorted(set(rules) - set(_RULES))
    if unknown:
        raise ValueError(f"unknown rules {unknown}: expected some of {list(_RULES)}")
    if centre is None:
        centre = float(d.sum() / n.sum())
    if not 0 <= centre <= 1:
        raise ValueError(f"centre is {centre}: expected a share within 0 to 1")
    sigma = np.sqrt(centre * (1 - centre) / n)
    signals = [
        signal
        for rule in _RULES
        if rule in rules
        for signal in _signals(d / n - centre, sigma, rule)
    ]
    return PChart(
        shares=d / n,
        centre=centre,
        lower=np.maximum(0, centre - 3 * sigma),
        upper=np.minimum(1, centre + 3 * sigma),
        signals=tuple(sorted(signals, key=lambda signal: signal.index)),
    )


def _signals(
    deviations: NDArray[np.float64], sigma: NDArray[np.float64], rule: Rule
) -> list[Signal]:
    needed, window, sigmas = _RULES[rule]
    signals = []
    sides: tuple[tuple[Literal["above", "below"], int], ...] = (("above", 1), ("below", -1))
    for side, sign in sides:
        # The small number: a point on a line is not beyond it, whatever the rounding.
        is_beyond = sign * deviations > sigmas * sigma + 1e-12
        within = np.convolve(is_beyond, np.ones(window))[: len(is_beyond)]
        # The point that completes the rule must itself lie beyond.
        signals += [
            Signal(int(index), rule, side)
            for index in np.flatnonzero(is_beyond & (within > needed - 0.5))
        ]
    return signals
