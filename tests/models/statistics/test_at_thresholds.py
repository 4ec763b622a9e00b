"""What other thresholds would do: by hand, against the truth, and where little is known."""

from __future__ import annotations

import time

import numpy as np
import pytest

from models.statistics.at_thresholds import JudgedScores, estimate_at


def judged(*parts: tuple[float, float, bool, bool]) -> JudgedScores:
    """Parts as score, weight, is_defective, is_audited."""
    scores, weights, is_defective, is_audited = zip(*parts, strict=True) if parts else ((),) * 4
    return JudgedScores(
        np.array(scores, float),
        np.array(weights, float),
        np.array(is_defective, bool),
        np.array(is_audited, bool),
    )


PARTS = judged(
    (0.2, 50, False, True),
    (0.5, 50, False, True),
    (0.6, 50, True, True),
    (1.5, 1, False, False),
    (2.5, 1, False, False),
    (2.6, 2, True, False),
    (3.0, 48, True, False),
)
RECENT = np.array([0.1, 0.2, 0.5, 0.9, 1.2, 1.5, 2.2, 3.0])


def test_rates_are_the_shares_of_what_the_judged_stand_for() -> None:
    rates = estimate_at(PARTS, RECENT, 1.0, 2.0)

    assert rates.false_reject_rate.value == pytest.approx(1 / 102)
    assert rates.escape_rate.value == pytest.approx(50 / 100)
    assert (rates.review_share.value, rates.reject_share.value) == (2 / 8, 2 / 8)


def test_a_score_at_a_threshold_counts_as_above_it() -> None:
    rates = estimate_at(PARTS, RECENT, 0.6, 2.5)

    assert rates.escape_rate.value == 0
    assert rates.false_reject_rate.value == pytest.approx(1 / 102)


def test_intervals_contain_the_estimate_and_widen_with_less_knowledge() -> None:
    sure = estimate_at(PARTS, RECENT, 1.0, 2.0)
    unsure = estimate_at(PARTS, RECENT, 1.0, 2.0, confidence=0.99)

    for one, other in (
        (sure.escape_rate, unsure.escape_rate),
        (sure.false_reject_rate, unsure.false_reject_rate),
        (sure.review_share, unsure.review_share),
    ):
        assert one.value is not None
        assert other.interval.lower <= one.interval.lower <= one.value
        assert one.value <= one.interval.upper <= other.interval.upper


def test_without_audited_parts_nothing_is_known_of_those_passed() -> None:
    flagged = judged((1.5, 1, False, False), (2.5, 1, True, False))

    rates = estimate_at(flagged, RECENT, 1.0, 2.0)

    assert (rates.escape_rate.value, rates.false_reject_rate.value) == (None, None)
    assert (rates.escape_rate.interval.lower, rates.escape_rate.interval.upper) == (0, 1)


def test_without_any_scores_nothing_is_known() -> None:
    rates = estimate_at(judged(), np.array([]), 1.0, 2.0)

    assert rates.review_share.value is None
    assert rates.reject_share.value is None
    assert rates.escape_rate.value is None


def test_no_escape_found_in_few_audited_parts_leaves_room_for_many() -> None:
    few = judged(*[(0.1, 100, False, True)] * 5, *[(3.0, 1, True, False)] * 20)
    many = judged(*[(0.1, 100, False, True)] * 500, *[(3.0, 1, True, False)] * 2000)

    wide = estimate_at(few, RECENT, 1.0, 2.0).escape_rate
    narrow = estimate_at(many, RECENT, 1.0, 2.0).escape_rate

    assert (wide.value, narrow.value) == (0, 0)
    # Three of weight 100 are missed in 5 % of such samples: 300 of 320, and 300 of 2,300.
    assert wide.interval.upper > 0.9
    assert 0.08 < narrow.interval.upper < 0.2


def test_the_intervals_cover_the_truth() -> None:
    """Four hundred weeks: 20,000 parts, 2 % defective, flagged ones judged, 2 % of the rest."""
    rng = np.random.default_rng(3)
    covered = {"escape": 0, "reject": 0}
    weeks, review, reject = 400, 1.4, 2.2
    # The score of a good part is N(0, 1), of a defective one N(2.5, 1); flagged from 1.6.
    truth = {"escape": 0.1357, "reject": 0.0139}  # P(Z < -1.1), P(Z > 2.2)
    for _ in range(weeks):
        is_defective = rng.random(20_000) < 0.02
        scores = rng.normal(size=20_000) + 2.5 * is_defective
        flagged = scores >= 1.6
        audited = ~flagged & (rng.random(20_000) < 0.02)
        seen = flagged | audited
        weights = np.where(audited, 50.0, 1.0)
        sample = JudgedScores(scores[seen], weights[seen], is_defective[seen], audited[seen])
        rates = estimate_at(sample, scores[:100], review, reject)
        covered["escape"] += truth["escape"] in rates.escape_rate.interval
        covered["reject"] += truth["reject"] in rates.false_reject_rate.interval

    # Few escapes are caught: their interval may cover more often, never clearly less.
    assert covered["escape"] / weeks > 0.92
    assert 0.92 < covered["reject"] / weeks < 0.99


def test_an_estimate_is_quick_enough_for_a_slider() -> None:
    rng = np.random.default_rng(0)
    n = 5000
    sample = JudgedScores(
        rng.normal(size=n), np.full(n, 3.0), rng.random(n) < 0.1, rng.random(n) < 0.5
    )
    started = time.perf_counter()

    for review in np.linspace(-1, 1, 20):
        estimate_at(sample, sample.scores, review, 1.0)

    assert (time.perf_counter() - started) / 20 < 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2.0, 1.0, 0.95), "review 2.0 is above reject 1.0"),
        ((1.0, 2.0, 1.0), "confidence is 1.0"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[float, float, float], message: str) -> None:
    review, reject, confidence = arguments
    with pytest.raises(ValueError, match=message):
        estimate_at(PARTS, RECENT, review, reject, confidence=confidence)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    one, two = np.ones(1), np.ones(2)
    no = np.zeros(1, bool)
    with pytest.raises(ValueError, match="all must be"):
        JudgedScores(two, one, no, no)
    with pytest.raises(ValueError, match="a weight is not above 0"):
        JudgedScores(one, 0 * one, no, no)
