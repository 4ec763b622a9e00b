"""The incomplete beta function against scipy, hand-worked cases, and the solver."""

from __future__ import annotations

import itertools

import pytest
from scipy import special

from models.statistics.incomplete_beta import incomplete_beta, solve_rising

SIZES = [0.5, 1, 2.5, 30, 1000, 200_000]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(SIZES, SIZES)))
def test_it_is_that_of_scipy(a: float, b: float) -> None:
    mean = a / (a + b)
    for x in (1e-6, mean / 2, mean * 0.99, mean, mean + (1 - mean) / 100, (1 + mean) / 2):
        assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), abs=1e-9)


def test_it_is_worked_by_hand_for_whole_numbers() -> None:
    # I_x(2, 2) is the chance of 2 or more successes in 3 trials: 3 x^2 (1 - x) + x^3.
    assert incomplete_beta(2, 2, 0.25) == pytest.approx(3 / 16 * 0.75 + 1 / 64)


def test_a_parameter_of_zero_puts_all_mass_at_one_end() -> None:
    assert incomplete_beta(0, 3, 0.01) == 1
    assert incomplete_beta(3, 0, 0.99) == 0
    assert incomplete_beta(0, 0, 0.5) == 0.5
    assert incomplete_beta(3, 0, 1) == 1


@pytest.mark.parametrize(("a", "b", "x"), [(-1, 1, 0.5), (1, float("nan"), 0.5), (1, 1, 1.1)])
def test_arguments_out_of_range_are_refused(a: float, b: float, x: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        incomplete_beta(a, b, x)


def test_the_solver_finds_small_and_large_places() -> None:
    assert solve_rising(lambda x: x**3, 1e-18) == pytest.approx(1e-6, rel=1e-10)
    assert solve_rising(lambda x: x, 700.0, 0, 1000) == pytest.approx(700)


def test_the_solver_gives_an_end_where_the_target_is_never_reached() -> None:
    assert solve_rising(lambda x: x, 2.0) == 1
    assert solve_rising(lambda x: x, -1.0) == 0


def test_the_solver_finds_a_step() -> None:
    assert solve_rising(lambda x: float(x > 0.3), 0.5) == pytest.approx(0.3)
