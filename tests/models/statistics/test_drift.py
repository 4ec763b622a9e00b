"""Drift measures against scipy, numbers worked by hand, and how often they err without drift."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from models.statistics.drift import (
    detect_drift,
    kolmogorov_smirnov,
    kolmogorov_tail,
    population_stability_index,
)


def test_the_stability_index_worked_by_hand() -> None:
    # Two bins, cut at the median 2.5; half a score is added to each: reference 2.5 and 2.5 of 5,
    # present 0.5 and 4.5 of 5: shares 0.1 and 0.9.
    expected = (0.1 - 0.5) * math.log(0.1 / 0.5) + (0.9 - 0.5) * math.log(0.9 / 0.5)

    index = population_stability_index([1, 2, 3, 4], [3, 4, 5, 6], bins=2)

    assert index == pytest.approx(expected)
    assert population_stability_index([1, 2, 3, 4], [1, 2, 3, 4], bins=2) == 0


def test_tied_scores_make_fewer_bins_and_still_show_a_shift() -> None:
    ties = np.zeros(300)

    assert population_stability_index(ties, ties) == 0
    assert population_stability_index(ties, ties + 1) > 1


def test_the_distance_is_that_of_scipy() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=400), np.round(rng.normal(0.2, 1.2, 300), 1)

    distance, p_value = kolmogorov_smirnov(first, second)

    assert distance == pytest.approx(stats.ks_2samp(first, second).statistic)
    # scipy's p value is of the finite distribution: near, not equal.
    assert p_value == pytest.approx(stats.ks_2samp(first, second, method="asymp").pvalue, rel=0.2)


@pytest.mark.parametrize("x", [0, 0.01, 0.04, 0.2, 0.7, 0.999, 1, 1.36, 2, 4])
def test_the_tail_is_that_of_scipy(x: float) -> None:
    assert kolmogorov_tail(x) == pytest.approx(special.kolmogorov(x), rel=1e-9)


def test_a_shifted_window_drifts_and_an_equal_one_does_not() -> None:
    rng = np.random.default_rng(1)
    reference = rng.gamma(4, size=2000)

    same = detect_drift(reference, rng.gamma(4, size=500))
    shifted = detect_drift(reference, rng.gamma(4, size=500) * 1.5)

    assert (same.is_drifting, same.reason) == (False, "stable")
    assert same.ks_p_value is not None
    assert same.ks_p_value > 0.01
    assert (shifted.is_drifting, shifted.reason) == (True, "population_stability_index")
    assert shifted.psi is not None
    assert shifted.psi > 0.25
    assert shifted.ks_p_value is not None
    assert shifted.ks_p_value < 1e-6
    assert (shifted.reference_count, shifted.present_count) == (2000, 500)


def test_too_few_scores_give_no_verdict() -> None:
    drift = detect_drift(np.arange(500.0), np.arange(199.0) + 1e6)

    assert (drift.is_drifting, drift.reason, drift.psi) == (False, "too_few_scores", None)
    assert detect_drift([], []).reason == "too_few_scores"


def test_the_smallest_windows_rarely_give_a_false_alarm() -> None:
    rng = np.random.default_rng(0)

    alarms = [
        detect_drift(rng.normal(size=200), rng.normal(size=200)).is_drifting for _ in range(1000)
    ]

    assert np.mean(alarms) < 0.01


def test_scores_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        detect_drift([1.0, math.nan], [1.0])
    with pytest.raises(ValueError, match="1 or more"):
        kolmogorov_smirnov([], [1.0])
    with pytest.raises(ValueError, match="bins is 1"):
        population_stability_index([1.0], [1.0], bins=1)
    with pytest.raises(ValueError, match="positive"):
        detect_drift([1.0], [1.0], max_psi=0)
