"""Thresholds from held-out scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.calibration import Thresholds, calibrate


def test_threshold_is_just_above_the_conformal_quantile() -> None:
    # n = 19, rate 0.05: rank ceil(20 * 0.95) = 19, the largest; rate 0.25: rank ceil(20 * 0.75) =
    # 15.
    scores = np.arange(1, 20, dtype=np.float32)

    calibration = calibrate(scores, review_rate=0.25, reject_rate=0.05)

    assert calibration.thresholds.review == pytest.approx(15, rel=1e-6)
    assert calibration.thresholds.reject == pytest.approx(19, rel=1e-6)
    assert calibration.review_rate == pytest.approx(5 / 20)
    assert calibration.reject_rate == pytest.approx(1 / 20)
    assert calibration.count == 19


def test_too_few_scores_give_the_largest_one_and_the_rate_it_attains() -> None:
    # 4 scores cannot promise less than 1 / 5.
    calibration = calibrate([3.0, 1.0, 4.0, 2.0], review_rate=0.05, reject_rate=0.01)

    assert calibration.thresholds.review == calibration.thresholds.reject
    assert calibration.thresholds.reject == pytest.approx(4, rel=1e-6)
    assert calibration.reject_rate == pytest.approx(0.2)
    assert calibration.review_rate == pytest.approx(0.2)


def test_one_score_is_enough_to_calibrate() -> None:
    calibration = calibrate([2.5])

    assert calibration.thresholds.reject == pytest.approx(2.5, rel=1e-6)
    assert calibration.reject_rate == 0.5


def test_a_whole_rank_is_not_rounded_up() -> None:
    # (99 + 1) * (1 - 0.05) is 95 exactly, but for rounding; (99 + 1) * (1 - 0.01) is 99.
    calibration = calibrate(np.arange(1, 100), review_rate=0.05, reject_rate=0.01)

    assert calibration.thresholds.review == pytest.approx(95, rel=1e-6)
    assert calibration.thresholds.reject == pytest.approx(99, rel=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float64, float])
def test_a_score_equal_to_a_held_out_one_stays_below_the_threshold(kind: type) -> None:
    held_out = np.array([0.1, 0.2, 0.3], dtype=np.float32)

    thresholds = calibrate(held_out).thresholds

    assert thresholds.verdict(kind(held_out[2])) == "PASS"
    assert thresholds.verdict(float(np.float32(0.3001))) == "REJECT"


def test_false_rejects_keep_the_promised_rate_on_average_even_with_ties() -> None:
    # The promise is on average over calibrations: 4,000 of them, from scores with many ties, each
    # judged on 50 new good parts; the standard error of the mean rate is below 0.002.
    rng = np.random.default_rng(0)
    rejected, flagged = [], []
    for _ in range(4000):
        scores = rng.gamma(2.0, 1.0, size=90).round(1)
        thresholds = calibrate(scores[:40], review_rate=0.1, reject_rate=0.05).thresholds
        verdicts = [thresholds.verdict(score) for score in scores[40:]]
        rejected.append(verdicts.count("REJECT") / 50)
        flagged.append(1 - verdicts.count("PASS") / 50)

    assert 0.02 < np.mean(rejected) <= 0.05 + 0.004
    assert 0.05 < np.mean(flagged) <= 0.1 + 0.004


def test_raw_scores_are_never_clamped() -> None:
    calibration = calibrate([-1e30, -5.0])

    assert calibration.thresholds.reject == pytest.approx(-5, rel=1e-6)


def test_verdicts_begin_at_their_thresholds() -> None:
    thresholds = Thresholds(review=1.0, reject=2.0)

    verdicts = [thresholds.verdict(score) for score in (0.999, 1.0, 1.999, 2.0, math.inf)]

    assert verdicts == ["PASS", "REVIEW", "REVIEW", "REJECT", "REJECT"]


def test_a_score_that_is_not_a_number_passes_nothing() -> None:
    with pytest.raises(ValueError, match="not a number"):
        Thresholds(review=1.0, reject=2.0).verdict(math.nan)


@pytest.mark.parametrize("scores", [[], [1.0, math.nan], [math.inf]])
def test_missing_or_broken_scores_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="finite scores"):
        calibrate(scores)


def test_a_reject_rate_above_the_review_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="0 < reject_rate <= review_rate < 1"):
        calibrate([1.0], review_rate=0.01, reject_rate=0.05)
