"""The bound of what scoring computes and moves, worked by hand."""

from __future__ import annotations

import pytest

from bench.graph_costs import Costs
from bench.machine_limits import Limits
from bench.roofline import bound_ms

#: 100 and 400 billion MACs a second, 10 GB/s.
LIMITS = Limits(1, {"f32": 100e9, "int8": 400e9}, 10e9)


def test_precisions_are_computed_one_after_the_other() -> None:
    # 300 million at 100 billion/s are 3 ms, 600 million at 400 billion/s are 1.5 ms.
    bound, limit = bound_ms(Costs({"f32": 300_000_000, "int8": 600_000_000}, 0, 20_000_000), LIMITS)

    assert bound == pytest.approx(4.5)
    assert limit == "computing"


def test_what_moves_much_is_bound_by_memory() -> None:
    # 50 MB at 10 GB/s are 5 ms.
    bound, limit = bound_ms(Costs({"f32": 100_000_000}, 0, 50_000_000), LIMITS)

    assert bound == pytest.approx(5.0)
    assert limit == "memory"


def test_of_two_measurements_the_higher_rates_count() -> None:
    other = Limits(1, {"f32": 90e9, "int8": 500e9}, 12e9)

    assert LIMITS.better(other) == Limits(1, {"f32": 100e9, "int8": 500e9}, 12e9)
