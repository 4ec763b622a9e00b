"""What scoring needs beside the flows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.bgad.constants import Constants
from models.bgad.parameters import PRESETS

CONSTANTS = Constants(maxima=[1.0, 0.5], boundaries=[-3.0, -1.5])


def test_maximum_and_boundary_are_taken_over_all_positions_of_all_images() -> None:
    level = np.arange(-100, 0, dtype=np.float32).reshape(4, 5, 5)

    constants = Constants.from_maps([level[::-1]], beta=0.03)

    # Ascending from -100: place floor(100 * 0.03) = 3.
    assert constants == Constants([-1.0], [-97.0])


def test_the_boundary_as_a_score_is_that_of_a_position_on_it_in_every_level() -> None:
    # -log(e^(-3 - 1) + e^(-1.5 - 0.5)).
    expected = -math.log(math.exp(-4) + math.exp(-2))

    assert CONSTANTS.boundary_score() == pytest.approx(expected)


def test_a_boundary_far_off_is_still_a_score() -> None:
    assert Constants([0.0], [-2000.0]).boundary_score() == pytest.approx(2000)


def test_findings_are_the_papers_boundaries() -> None:
    findings = CONSTANTS.findings(PRESETS["paper"])

    # Over N = 10, and tau = 0.1 below.
    assert findings["normal_boundary"] == [-0.3, -0.15]
    assert findings["abnormal_boundary"] == [-0.4, -0.25]
    assert findings["boundary_score"] == pytest.approx(CONSTANTS.boundary_score(), abs=1e-6)
