"""Escape and false reject rates: by hand, against scipy, and covering the truth over weeks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.audit_weeks import (
    SETTINGS,
    SPARSE_SETTINGS,
    expected_caught,
    simulate_coverage,
    simulate_week,
)
from models.statistics.escape_rate import (
    AuditSample,
    FlaggedReviews,
    estimate_escapes,
    estimate_rates,
)
from models.statistics.intervals import Interval

NOTHING = FlaggedReviews(0, 0, 0)


def audit(passed: int, *groups: tuple[float, int, int]) -> AuditSample:
    """A sample of groups of (probability, audited, defective)."""
    return AuditSample(
        passed,
        np.concatenate([np.full(n, p) for p, n, _ in groups]),
        np.concatenate([np.arange(n) < d for _, n, d in groups]),
    )


def test_rates_worked_by_hand() -> None:
    # 1,000 of 10,000 passed parts are audited with 2 escapes: each stands for 10 parts.
    rates = estimate_rates(
        FlaggedReviews(100, 100, 20), FlaggedReviews(80, 80, 60), audit(10_000, (0.1, 1000, 2))
    )

    assert rates.caught_escapes == 2
    assert rates.escapes.value == pytest.approx(20)
    assert rates.escape_rate.value == pytest.approx(20 / (20 + 80))
    assert rates.passed_defective_share.value == pytest.approx(20 / 10_000)
    # Good: 80 in review, 20 rejected, 9,980 passed.
    assert rates.false_reject_rate.value == pytest.approx(20 / (80 + 20 + 9_980))
    assert rates.false_flag_rate.value == pytest.approx(100 / (80 + 20 + 9_980))


def test_each_probability_has_its_own_weight() -> None:
    # Half the week at 2 %, half at 10 %, 5,000 passed in each: one escape of each, 50 + 10.
    rates = estimate_rates(NOTHING, NOTHING, audit(10_000, (0.02, 100, 1), (0.1, 500, 1)))

    assert rates.escapes.value == pytest.approx(60)


def test_audited_parts_that_wait_for_review_are_made_good_for() -> None:
    # Sampled with 10 %, but half of the sample is not reviewed yet: each stands for 20.
    assert estimate_rates(NOTHING, NOTHING, audit(10_000, (0.1, 500, 2))).escapes.value == 40


def test_the_interval_of_the_escape_rate_is_that_of_the_escapes() -> None:
    # Of n escapes, 3 are caught with 10 % each: the ends are where 3 or fewer, or 3 or more, 3 by
    # half, have chance 0.025. The ends lie between whole numbers of escapes: so does the chance.
    rates = estimate_rates(NOTHING, FlaggedReviews(90, 90, 90), audit(10_000, (0.1, 1000, 3)))
    lower, upper = rates.escapes.interval.lower, rates.escapes.interval.upper

    def above(n: float) -> float:
        return float(stats.binom.sf(3, n, 0.1) + stats.binom.pmf(3, n, 0.1) / 2)

    assert above(np.floor(lower)) <= 0.025 <= above(np.ceil(lower))
    assert above(np.floor(upper)) <= 0.975 <= above(np.ceil(upper))
    assert rates.escape_rate.interval.lower == pytest.approx(lower / (lower + 90))
    assert rates.escape_rate.interval.upper == pytest.approx(upper / (upper + 90))


def test_the_interval_of_the_escapes_is_the_binomial_one() -> None:
    # None caught of those sampled with 10 %: 0.9 ** n / 2 = 0.025. All figures are whole parts or
    # between them.
    rates = estimate_rates(NOTHING, NOTHING, audit(10_000, (0.1, 1000, 0)))

    assert rates.escapes.value == 0
    assert rates.escapes.interval.lower == 0
    assert rates.escapes.interval.upper == pytest.approx(np.log(0.05) / np.log(0.9), rel=1e-6)


def test_an_audit_of_every_part_knows_the_escapes() -> None:
    rates = estimate_rates(NOTHING, FlaggedReviews(7, 7, 7), audit(100, (1.0, 100, 3)))

    assert rates.escapes.value == 3
    assert rates.escapes.interval == Interval(3, 3)
    assert rates.escape_rate.value == pytest.approx(0.3)


def test_flagged_parts_that_wait_for_review_are_taken_to_be_like_the_others_and_widen() -> None:
    full = estimate_rates(
        FlaggedReviews(40, 40, 10), FlaggedReviews(90, 90, 90), audit(10_000, (0.1, 1000, 30))
    )
    waiting = estimate_rates(
        FlaggedReviews(40, 4, 1), FlaggedReviews(90, 9, 9), audit(10_000, (0.1, 1000, 30))
    )

    assert waiting.escape_rate.value == full.escape_rate.value
    assert waiting.escape_rate.interval.upper > full.escape_rate.interval.upper
    assert waiting.false_reject_rate.interval.upper > full.false_reject_rate.interval.upper


def test_without_an_audit_nothing_is_known_of_escapes_but_false_rejects_are() -> None:
    none = AuditSample(10_000, np.empty(0), np.empty(0, bool))

    rates = estimate_rates(FlaggedReviews(100, 100, 50), FlaggedReviews(40, 40, 30), none)

    assert rates.escape_rate.value is None
    assert rates.escape_rate.interval.lower == 0
    assert rates.escape_rate.interval.upper > 0.9
    assert rates.escapes.value is None
    assert rates.escapes.interval == Interval(0, 10_000)
    assert rates.false_reject_rate.value == pytest.approx(10 / (10 + 50 + 10_000))


def test_a_line_that_made_nothing_has_no_rates() -> None:
    empty = AuditSample(0, np.empty(0), np.empty(0, bool))

    rates = estimate_rates(NOTHING, NOTHING, empty)

    assert rates.escape_rate.value is None
    assert rates.escape_rate.interval == Interval(0, 1)
    assert rates.escapes.interval == Interval(0, 0)


def test_flagged_parts_nobody_reviewed_leave_the_rate_open() -> None:
    rates = estimate_rates(NOTHING, FlaggedReviews(50, 0, 0), audit(1_000, (0.1, 100, 1)))

    assert rates.escape_rate.value is None
    assert 0 < rates.escape_rate.interval.lower < rates.escape_rate.interval.upper < 1


def covered_escapes(seed: int, name: str, weeks: int) -> float:
    """In which share of the weeks the interval of the escapes holds their true number.

    With all flagged parts reviewed the interval of the escape rate is that of the escapes.
    """
    rng = np.random.default_rng(seed)
    covered = 0
    for _ in range(weeks):
        _, _, sample, truth = simulate_week(rng, {**SETTINGS, **SPARSE_SETTINGS}[name])
        covered += truth.escapes in estimate_escapes(sample).interval
    return covered / weeks


@pytest.mark.parametrize(
    "name",
    [
        "20k parts, 3 % defective, 20 % escape, 10 % audit",  # 12 caught a week
        "20k parts, 3 % defective, 10 % escape, 5 % audit",  # 3 caught a week
    ],
)
def test_intervals_cover_the_truth_of_200_weeks_as_often_as_said(name: str) -> None:
    shares = simulate_coverage(4, SETTINGS[name], 200)

    # 200 weeks tell a coverage to 3 points (two standard deviations).
    for figure in ("escape_rate", "passed_defective_share", "false_reject_rate"):
        assert 0.92 <= shares[figure] <= 0.98, shares


@pytest.mark.parametrize(
    "name",
    [
        "20k parts, 3 % defective, 20 % escape, 5 % audit",
        "audit 2 then 10 %, 40k parts, 20 % escape",
    ],
)
def test_escapes_are_covered_in_93_to_97_percent_of_1000_weeks(name: str) -> None:
    assert 0.93 <= covered_escapes(7, name, 1000) <= 0.97


def test_three_caught_a_week_are_covered_in_93_to_97_percent_of_2000_weeks() -> None:
    # The fewest with which it is possible, hence the hardest.
    name = "20k parts, 3 % defective, 10 % escape, 5 % audit"
    assert expected_caught(SETTINGS[name]) == pytest.approx(3)

    assert 0.93 <= covered_escapes(1, name, 2000) <= 0.97


def test_weeks_with_hardly_any_caught_escapes_are_covered_too_often_not_too_rarely() -> None:
    name = "20k parts, 1 % defective, 5 % escape, 5 % audit"
    assert expected_caught(SPARSE_SETTINGS[name]) == pytest.approx(0.5)

    assert covered_escapes(1, name, 500) >= 0.97


def test_flagged_parts_that_wait_do_not_spoil_the_coverage() -> None:
    periods = SETTINGS["20k parts, 3 % defective, 20 % escape, 10 % audit"]

    shares = simulate_coverage(2, periods, 100, reviewed=0.6)

    # 100 weeks tell it to 4 points.
    assert shares["escape_rate"] >= 0.9
    assert shares["false_reject_rate"] >= 0.9


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="none may be negative"):
        FlaggedReviews(3, 4, 0)
    with pytest.raises(ValueError, match="only 5 passed"):
        AuditSample(5, np.full(6, 0.1), np.zeros(6, bool))
    with pytest.raises(ValueError, match="must be"):
        AuditSample(5, np.full(2, 0.1), np.zeros(3, bool))
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        AuditSample(5, np.zeros(2), np.zeros(2, bool))
    with pytest.raises(ValueError, match="confidence"):
        estimate_rates(NOTHING, NOTHING, audit(10, (0.5, 5, 0)), confidence=0)
