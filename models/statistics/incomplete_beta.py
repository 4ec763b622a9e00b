"""The regularised incomplete beta function and the solving of rising functions, in plain floats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Keeps Lentz's recurrence from dividing by zero; far below any term that counts.
_TINY = 1e-300


def incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b): the chance that a Beta(a, b) variable is at most x.

    A parameter of 0 is the limit: all mass at 0 for `a`, at 1 for `b`, half of it at each for both.
    For whole a and b, I_x(a, b) is the chance of a or more successes in a + b - 1 trials.

    Args:
        a: at least 0.
        b: at least 0.
        x: within 0 to 1.

    Raises:
        ValueError: if an argument is out of its range.

    Source: NIST Digital Library of Mathematical Functions, 8.17.22 (the continued fraction) and
    8.17.4 (the symmetry); evaluated by the modified method of Lentz.
    """
    if not (0 <= a < math.inf and 0 <= b < math.inf and 0 <= x <= 1):
        raise ValueError(f"a is {a}, b {b}, x {x}: expected finite a, b >= 0 and x within 0 to 1")
    if x in (0, 1):
        return float(x)
    if a == 0 or b == 0:
        return 0.5 if a == b else float(a == 0)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    front = math.exp(log_front)
    # The fraction converges fast below the mean only.
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _continued_fraction(a, b, x) / a)
    return max(0.0, 1 - front * _continued_fraction(b, a, 1 - x) / b)


def solve_rising(
    function: Callable[[float], float], target: float, low: float = 0.0, high: float = 1.0
) -> float:
    """The place where a rising function reaches `target`; an end if it never does.

    Args:
        function: does not fall between `low` and `high`.
        target: the wanted value.
        low: where the search begins.
        high: where it ends.

    Returns:
        The place, to 1e-11 of its own size, or to 1e-15 of the range next to zero.

    Source: bisection, alternating with the false position: where the function is smooth, a dozen
    evaluations do instead of forty.
    """
    floor = 1e-15 * (high - low)
    below, above = function(low) - target, function(high) - target
    if below >= 0 or above <= 0:
        return low if below >= 0 else high
    for step in range(200):
        place = (low + high) / 2
        if step % 3 and math.isfinite(above - below):
            # The false position, moved off the nearer end so that both ends close in.
            place = low - below * (high - low) / (above - below)
            margin = max(0.4e-11 * abs(place), 0.4 * floor)
            place += margin if step % 3 == 1 else -margin
            place = min(max(place, low), high)
        value = function(place) - target
        if value < 0:
            low, below = place, value
        else:
            high, above = place, value
        if high - low <= max(1e-11 * abs(high), floor):
            break
    return (low + high) / 2


def _continued_fraction(a: float, b: float, x: float) -> float:
    value, c = 1.0, 1.0
    d = 1 / _off_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _off_zero(1 + even * d)
        c = _off_zero(1 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _off_zero(1 + odd * d)
        c = _off_zero(1 + odd / c)
        value *= d * c
        if abs(d * c - 1) < 4e-15:
            break
    return value


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
