"""Whether image scores are still distributed as they were."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Scores = Sequence[float] | NDArray[np.floating]


@dataclass(frozen=True)
class Drift:
    """How far the present scores are from the reference."""

    #: Whether somebody should look.
    is_drifting: bool
    #: Why, or why not.
    reason: Literal["too_few_scores", "stable", "population_stability_index"]
    #: Population stability index; None with too few scores.
    psi: float | None
    #: Largest distance of the two distribution functions; None with too few scores.
    ks_statistic: float | None
    #: The chance of such a distance without drift; None with too few scores.
    ks_p_value: float | None
    #: How many scores the reference has.
    reference_count: int
    #: How many the present window has.
    present_count: int


def detect_drift(
    reference: Scores, present: Scores, *, max_psi: float = 0.25, min_count: int = 200
) -> Drift:
    """Compare the scores of a present window with a reference window of the same line.

    The population stability index decides. The Kolmogorov-Smirnov p value is for the eye: with many
    thousands of scores it is small for shifts that matter to nobody.

    Args:
        reference: scores of the reference window, finite.
        present: scores of the present window, finite.
        max_psi: drift above this; 0.1 is by custom called moderate, 0.25 large.
        min_count: fewer scores than this in either window give no verdict. Without drift the index
            is about chi-square(9) * (1/n + 1/m): with 200 in both it exceeds 0.25 once in 300
            windows, with 100 once in 5.

    Raises:
        ValueError: if a score is not finite or an argument is not positive.

    Source: Siddiqi, "Credit Risk Scorecards", 2006 (0.1 and 0.25); Yurdakul, "Statistical
    properties of population stability index", 2018 (its distribution).
    """
    if not (max_psi > 0 and min_count >= 1):
        raise ValueError(f"max_psi is {max_psi}, min_count {min_count}: both must be positive")
    before, now = _checked(reference), _checked(present)
    if min(len(before), len(now)) < min_count:
        return Drift(False, "too_few_scores", None, None, None, len(before), len(now))
    psi = population_stability_index(before, now)
    distance, p_value = kolmogorov_smirnov(before, now)
    is_drifting = psi > max_psi
    reason: Literal["stable", "population_stability_index"] = (
        "population_stability_index" if is_drifting else "stable"
    )
    return Drift(is_drifting, reason, psi, distance, p_value, len(before), len(now))


def population_stability_index(reference: Scores, present: Scores, *, bins: int = 10) -> float:
    """Sum over bins of (q - p) ln(q / p), p and q the shares of reference and present in the bin.

    The bins hold equal shares of the reference; equal quantiles, from ties, make one bin. Half a
    score is added to each bin of either side, so that an empty one does not give infinity.

    Args:
        reference: finite scores, at least one.
        present: finite scores, at least one.
        bins: how many, at least 2.

    Returns:
        0 for equal distributions, without a ceiling.

    Raises:
        ValueError: if there are no scores, one is not finite, or there are fewer than two bins.
    """
    before, now = _checked(reference, least=1), _checked(present, least=1)
    if bins < 2:
        raise ValueError(f"bins is {bins}: expected at least 2")
    edges = np.unique(np.quantile(before, np.arange(1, bins) / bins))
    shares = []
    for scores in (before, now):
        # A score equal to an edge belongs to the bin below, so that a tie at the smallest or at the
        # largest edge is told from what lies beyond it.
        counts = np.bincount(np.searchsorted(edges, scores, "left"), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())


def kolmogorov_smirnov(first: Scores, second: Scores) -> tuple[float, float]:
    """The largest distance of two samples' distribution functions, and its asymptotic p value.

    Args:
        first: finite numbers, at least one.
        second: finite numbers, at least one.

    Returns:
        The distance, 0 to 1, and the chance of so large a one from equal distributions: good from
        some 50 numbers each, too large with ties.

    Raises:
        ValueError: if there are no numbers or one is not finite.

    Source: Smirnov, "Table for estimating the goodness of fit of empirical distributions", Annals
    of Mathematical Statistics 1948.
    """
    a, b = np.sort(_checked(first, least=1)), np.sort(_checked(second, least=1))
    places = np.concatenate([a, b])
    below_a = np.searchsorted(a, places, "right") / len(a)
    below_b = np.searchsorted(b, places, "right") / len(b)
    distance = float(np.abs(below_a - below_b).max())
    scale = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    return distance, kolmogorov_tail(scale * distance)


def kolmogorov_tail(x: float) -> float:
    """The chance that Kolmogorov's limiting variable exceeds x.

    2 sum over k >= 1 of (-1)^(k-1) exp(-2 k^2 x^2), or for small x its theta transform, which
    converges there.

    Source: Kolmogorov, "Sulla determinazione empirica di una legge di distribuzione", 1933.
    """
    if x < 0.04:  # below, the chance is 1 to all digits
        return 1.0
    if x < 1:
        exponents = ((2 * k - 1) ** 2 * math.pi**2 / (8 * x * x) for k in range(1, 6))
        below = math.sqrt(2 * math.pi) / x * sum(math.exp(-one) for one in exponents)
        return 1 - below
    return 2 * sum((1 - 2 * (k % 2 == 0)) * math.exp(-2 * k * k * x * x) for k in range(1, 8))


def _checked(scores: Scores, *, least: int = 0) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or len(values) < least or not np.isfinite(values).all():
        raise ValueError(f"expected {least} or more finite scores in one row")
    return values
