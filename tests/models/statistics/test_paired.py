"""The paired test and its interval against scipy and numbers from the literature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.statistics.paired import compare_escapes, mcnemar_p_value, tango_interval


def test_counts_and_p_value_worked_by_hand() -> None:
    candidate = np.array([True, True, True, False, True, False])
    champion = np.array([True, False, False, True, False, False])

    compared = compare_escapes(candidate, champion)

    assert (compared.parts, compared.both) == (6, 1)
    assert (compared.candidate_only, compared.champion_only) == (3, 1)
    # Of 4 that differ, 3 or more: (4 + 1) / 16.
    assert compared.p_value == 5 / 16
    # Half of the 4 / 16 less.
    assert compare_escapes(candidate, champion, mid_p=True).p_value == 3 / 16
    assert compared.difference == pytest.approx(2 / 6)
    assert compared.difference in compared.interval


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (7, 0), (0, 7), (12, 5), (300, 260)])
def test_the_p_value_is_that_of_scipys_binomial_test(worse: int, better: int) -> None:
    expected = stats.binom.sf(worse - 1, worse + better, 0.5)
    half = stats.binom.pmf(worse, worse + better, 0.5) / 2

    assert mcnemar_p_value(worse, better) == pytest.approx(expected)
    assert mcnemar_p_value(worse, better, mid_p=True) == pytest.approx(expected - half)


def test_models_that_never_differ_give_no_evidence() -> None:
    same = np.array([True, False, False, False])

    assert compare_escapes(same, same).p_value == 1
    # The score is delta sqrt(n / (1 - delta^2))-like: it reaches z at z^2 / (n + z^2).
    z = stats.norm.ppf(0.975)
    interval = compare_escapes(same, same).interval
    assert interval.upper == pytest.approx(z**2 / (4 + z**2))
    assert interval.lower == pytest.approx(-(z**2) / (4 + z**2))


def test_the_interval_turns_round_with_the_models() -> None:
    one, other = tango_interval(9, 2, 50), tango_interval(2, 9, 50)

    assert one.lower == pytest.approx(-other.upper)
    assert one.upper == pytest.approx(-other.lower)


def test_the_interval_covers_as_often_as_said() -> None:
    # All outcomes of 40 parts of which 8 % escape the one alone and 5 % the other alone.
    parts, worse, better = 40, 0.08, 0.05
    covered = 0.0
    for b in range(16):
        for c in range(14):
            chance = stats.multinomial.pmf([b, c, parts - b - c], parts, [worse, better, 0.87])
            covered += chance * (worse - better in tango_interval(b, c, parts))

    assert covered == pytest.approx(0.95, abs=0.015)


def test_all_parts_differing_one_way_reach_the_end() -> None:
    assert tango_interval(10, 0, 10).upper == 1
    assert tango_interval(10, 0, 10).lower > 0.4


def test_arrays_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="same parts"):
        compare_escapes(np.zeros(3, bool), np.zeros(2, bool))
    with pytest.raises(ValueError, match="at least one"):
        compare_escapes(np.zeros(0, bool), np.zeros(0, bool))
    with pytest.raises(ValueError, match="must be bool"):
        compare_escapes(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="do not fit"):
        tango_interval(3, 3, 5)
    with pytest.raises(ValueError, match="negative"):
        mcnemar_p_value(-1, 3)
