"""The page's own numbers, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from linewatch.report.figures import Rate, bin_edges, roc_points, round_step


def test_the_wilson_interval_of_five_in_ten_worked_by_hand() -> None:
    # z^2 = 3.841459; z^2 / n = 0.3841459. Middle (0.5 + 0.19207) / 1.3841459 = 0.5.
    # Half: sqrt(0.25 * 0.3841459 + 0.3841459^2 / 4) / 1.3841459 = 0.364508 / 1.3841459 = 0.263407
    assert Rate(5, 10).interval == pytest.approx((0.236593, 0.763407), abs=1e-6)


def test_nothing_found_in_thirty_may_still_be_eleven_percent() -> None:
    # Middle and half are equal: z^2 / n / 2 / (1 + z^2 / n), twice that is z^2 / (n + z^2).
    assert Rate(0, 30).interval == (0.0, pytest.approx(3.841459 / 33.841459))
    assert Rate(30, 30).interval == (pytest.approx(30 / 33.841459), 1.0)


def test_a_rate_of_no_images_has_neither_share_nor_interval() -> None:
    assert (Rate(0, 0).share, Rate(0, 0).interval) == (None, None)


@pytest.mark.parametrize(
    ("span", "parts", "step"), [(10, 10, 1), (11, 10, 2), (0.21, 10, 0.05), (700, 7, 100)]
)
def test_steps_are_round(span: float, parts: int, step: float) -> None:
    assert round_step(span, parts) == pytest.approx(step)


def test_bins_have_round_edges_and_hold_their_lower_one() -> None:
    scores = np.array([0.5, 1.0, 1.4, 4.0])

    # 3.5 in 4 parts: steps of 1, from 0 to above 4.
    edges = bin_edges(scores, bins=4)

    assert edges.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.histogram(scores, edges)[0].tolist() == [1, 2, 0, 0, 1]


@pytest.mark.parametrize("score", [0.0, 3.0, -250.0, 1e-9, 4e8])
def test_scores_that_are_all_equal_are_in_a_bin(score: float) -> None:
    edges = bin_edges(np.array([score, score]))

    assert edges[0] <= score < edges[-1]
    assert len(edges) < 50


def test_log_likelihoods_below_zero_are_binned_too() -> None:
    assert bin_edges(np.array([-7.0, -3.5]), bins=4).tolist() == [-7, -6, -5, -4, -3]


def test_the_roc_curve_takes_equal_scores_at_once() -> None:
    scores = np.array([4.0, 3.0, 3.0, 1.0])
    is_anomalous = np.array([True, True, False, False])

    # At 4 one of two defective; at 3 both, and one of two good ones; at 1 all.
    assert roc_points(scores, is_anomalous).tolist() == [[0, 0], [0, 0.5], [0.5, 1], [1, 1]]


def test_the_area_under_the_curve_is_the_figure_of_the_report() -> None:
    from models.metrics import image_auroc

    random = np.random.default_rng(0)
    scores = random.integers(0, 20, 200).astype(float)
    is_anomalous = random.random(200) < scores / 20

    x, y = roc_points(scores, is_anomalous).T

    assert np.trapezoid(y, x) == pytest.approx(image_auroc(scores, is_anomalous))
