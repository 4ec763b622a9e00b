"""Intervals for a share against scipy, and the coverage each promises, computed exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from models.statistics.intervals import (
    Interval,
    beta_quantile,
    clopper_pearson_interval,
    mid_p_interval,
    normal_quantile,
    wilson_interval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS = [
    (0, 1),
    (1, 1),
    (0, 30),
    (1, 30),
    (15, 30),
    (29, 30),
    (30, 30),
    (3, 10_000),
    (9_990, 10_000),
]


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(("successes", "trials"), COUNTS)
def test_intervals_are_those_of_scipy(successes: int, trials: int, confidence: float) -> None:
    test = stats.binomtest(successes, trials)

    for method, ours in (("exact", clopper_pearson_interval), ("wilson", wilson_interval)):
        theirs = test.proportion_ci(confidence, method=method)
        interval = ours(successes, trials, confidence)
        assert interval.lower == pytest.approx(theirs.low, rel=1e-7, abs=1e-15)
        assert interval.upper == pytest.approx(theirs.high, rel=1e-7, abs=1e-15)


def test_no_success_in_n_trials_worked_by_hand() -> None:
    # (1 - p)^n = 0.025 for Clopper-Pearson; half of it counts for mid-P: (1 - p)^n = 0.05, whence
    # the rule of three: p = 3 / n.
    assert clopper_pearson_interval(0, 100).upper == pytest.approx(1 - 0.025**0.01)
    assert mid_p_interval(0, 100) == Interval(0, pytest.approx(1 - 0.05**0.01))
    assert mid_p_interval(100, 0) == Interval(pytest.approx(0.05**0.01), 1)


@pytest.mark.parametrize(("successes", "failures"), [(1, 4), (3, 500), (40, 7), (12, 12)])
def test_the_mid_p_ends_leave_half_the_error_on_each_side(successes: int, failures: int) -> None:
    interval = mid_p_interval(successes, failures)

    for share, side in ((interval.lower, stats.binom.sf), (interval.upper, stats.binom.cdf)):
        trials = successes + failures
        # sf is P(X > k), cdf is P(X <= k): the half of P(X = k) is added or taken away.
        half = stats.binom.pmf(successes, trials, share) / 2
        tail = side(successes, trials, share) + (half if side == stats.binom.sf else -half)
        assert tail == pytest.approx(0.025, rel=1e-6)


def coverage(
    interval: Callable[[int, int], Interval], trials: int, shares: np.ndarray
) -> np.ndarray:
    """The exact coverage at each share, summed over all outcomes."""
    ends = [interval(k, trials) for k in range(trials + 1)]
    return sum(
        stats.binom.pmf(k, trials, shares) * ((end.lower <= shares) & (shares <= end.upper))
        for k, end in enumerate(ends)
    )


def test_clopper_pearson_never_covers_too_rarely_and_the_others_do_so_on_average() -> None:
    shares = np.linspace(0.05, 0.95, 501)
    exact, wilson, mid_p = (
        coverage(one, 40, shares)
        for one in (
            clopper_pearson_interval,
            wilson_interval,
            lambda k, n: mid_p_interval(k, n - k),
        )
    )

    assert exact.min() >= 0.95
    assert exact.mean() > 0.96
    assert wilson.mean() == pytest.approx(0.95, abs=0.005)
    assert mid_p.mean() == pytest.approx(0.955, abs=0.01)


def test_nothing_counted_says_nothing() -> None:
    assert mid_p_interval(0, 0) == Interval(0, 1)


def test_quantiles_are_those_of_scipy() -> None:
    assert beta_quantile(3, 500.5, 0.975) == pytest.approx(stats.beta.ppf(0.975, 3, 500.5))
    assert normal_quantile(0.95) == pytest.approx(stats.norm.ppf(0.975))


@pytest.mark.parametrize("bad", [lambda: wilson_interval(3, 2), lambda: wilson_interval(0, 0)])
def test_counts_that_cannot_be_are_refused(bad: Callable[[], Interval]) -> None:
    with pytest.raises(ValueError, match="trial"):
        bad()
    with pytest.raises(ValueError, match="at least 0"):
        mid_p_interval(-1, 3)


def test_a_confidence_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="confidence"):
        clopper_pearson_interval(1, 3, 95)
