"""The Pareto rows, worked by hand."""

from __future__ import annotations

import pytest

from models.statistics.pareto import ParetoRow, pareto


def test_rows_are_ordered_by_count_then_name_and_add_up_to_one() -> None:
    assert pareto({"crack": 1, "scratch": 5, "dent": 1, "stain": 3}) == [
        ParetoRow("scratch", 5, 0.5, 0.5),
        ParetoRow("stain", 3, 0.3, 0.8),
        ParetoRow("crack", 1, 0.1, 0.9),
        ParetoRow("dent", 1, 0.1, 1.0),
    ]


def test_classes_without_defects_are_left_out() -> None:
    assert pareto({"crack": 0, "dent": 2}) == [ParetoRow("dent", 2, 1.0, 1.0)]
    assert pareto({"crack": 0}) == []
    assert pareto({}) == []


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="'dent' has count -1"):
        pareto({"dent": -1})
