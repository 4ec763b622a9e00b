"""The paper's weight."""

from __future__ import annotations

import numpy as np
import pytest

from models.patchcore.reweighting import neighbour_weight


def test_weight_is_the_papers_formula() -> None:
    # 1 - e^1 / (e^1 + e^2 + e^2) = 1 - 1 / (1 + 2e) = 0.84464...
    weight = neighbour_weight(np.array([1.0]), np.array([[1.0, 2.0, 2.0]]))

    assert weight[0] == pytest.approx(1 - 1 / (1 + 2 * np.e))


def test_large_distances_do_not_overflow() -> None:
    # exp(2000) is infinite in float64; the three are equal, so the weight is 1 - 1/3.
    weight = neighbour_weight(np.array([2000.0]), np.full((1, 3), 2000.0))

    assert weight[0] == pytest.approx(2 / 3)


def test_a_single_neighbour_leaves_the_score_alone() -> None:
    np.testing.assert_array_equal(neighbour_weight(np.array([3.0]), np.array([[3.0]])), [1.0])
