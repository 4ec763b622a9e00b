"""The gate, on scores made by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from workers.retraining.gate import Budgets, Contender, compare, not_compared

GOOD, DEFECTS = 20, 5
KINDS: list[str | None] = [None] * GOOD + ["crack", "crack", "crack", "blob", "blob"]
BUDGETS = Budgets(false_rejects=0.05)


def contender(
    *, escapes: int = 0, rejected: int = 0, ms: float = 2.0, number: int | None = None
) -> Contender:
    """One that lets the last defects pass, and rejects the first good parts; 0.5 is REVIEW."""
    scores = np.array([0.1] * GOOD + [0.9] * DEFECTS, np.float32)
    scores[:rejected] = 0.9
    scores[GOOD + DEFECTS - escapes :] = 0.1
    return Contender(number, scores, 0.5, 0.8, [ms] * (GOOD + DEFECTS))


@pytest.mark.parametrize(
    ("champion", "candidate", "passes"),
    [
        (0, 0, True),
        (2, 0, True),
        (2, 2, True),
        # Far from significant, and more all the same: P(X >= 1) = 1/2.
        (0, 1, False),
        (2, 3, False),
    ],
)
def test_not_one_golden_defect_more_may_escape(champion: int, candidate: int, passes: bool) -> None:
    report = compare(
        KINDS, contender(escapes=champion, number=3), contender(escapes=candidate), BUDGETS
    )

    assert report.has_passed is passes
    assert report.reasons == (
        []
        if passes
        else [f"{candidate} of 5 golden defects escape it, {champion} escape version 3"]
    )


def test_a_candidate_is_compared_where_it_flags_as_many_goods_as_the_champion() -> None:
    # The champion flags 2 of 20 goods and lets 1 defect pass. At its own 0.5 the candidate flags
    # none and lets 3 pass; just above its third best good, 0.32, it flags 2 and lets 1 pass.
    champion = contender(escapes=1, number=3)
    champion.scores[:2] = 0.6
    goods = [0.2] * 17 + [0.32, 0.34, 0.36]
    scores = np.array([*goods, 0.9, 0.7, 0.4, 0.4, 0.1], np.float32)

    report = compare(KINDS, champion, Contender(None, scores, 0.5, 0.8, []), BUDGETS)

    assert report.has_passed is True
    assert report.candidate is not None
    assert report.candidate["flagged_good"]["count"] == 2
    assert report.candidate["escapes"]["count"] == 1
    assert report.candidate["thresholds"]["review"] == pytest.approx(0.32)
    assert report.candidate["thresholds"]["reject"] == 0.8


def test_a_candidate_that_flags_more_goods_keeps_its_threshold() -> None:
    candidate = contender()
    candidate.scores[:3] = 0.6

    report = compare(KINDS, contender(number=3), candidate, BUDGETS)

    assert report.candidate is not None
    assert report.candidate["thresholds"]["review"] == 0.5
    assert report.candidate["flagged_good"]["count"] == 3


@pytest.mark.parametrize(
    ("champion", "candidate", "passes"),
    [(0, 1, True), (0, 2, False), (2, 2, True), (3, 2, True), (2, 3, False)],
)
def test_false_rejects_are_within_the_budget_or_not_above_the_champions(
    champion: int, candidate: int, passes: bool
) -> None:
    # 1 of 20 is the budget of 5 %.
    report = compare(KINDS, contender(rejected=champion), contender(rejected=candidate), BUDGETS)

    assert report.has_passed is passes
    if not passes:
        allowed = max(0.05, champion / GOOD)
        share = candidate / GOOD
        assert report.reasons == [
            f"it rejects {candidate} of 20 good golden parts, {share:.1%}, "
            f"and {allowed:.1%} are allowed"
        ]


def test_latency_counts_only_where_the_line_limits_it() -> None:
    slow = contender(ms=40.0)

    assert compare(KINDS, contender(), slow, BUDGETS).has_passed is True
    report = compare(KINDS, contender(), slow, Budgets(0.05, latency_ms=25.0))

    assert report.has_passed is False
    assert report.reasons == ["it takes 40.0 ms for a frame, and 25 ms are allowed"]


def test_review_catches_a_defect_and_a_threshold_counts_as_reached() -> None:
    scores = np.array([0.1] * GOOD + [0.5, 0.6, 0.79999, 0.8, 0.9], np.float32)
    report = compare(KINDS, None, Contender(None, scores, 0.5, 0.8, []), BUDGETS)

    figures: dict[str, Any] = report.candidate or {}
    assert figures["escapes"]["count"] == 0
    assert figures["rejected_defects"]["count"] == 2
    assert figures["flagged_good"]["count"] == 0


def test_figures_of_each_kind_and_their_exact_intervals() -> None:
    report = compare(KINDS, contender(number=3), contender(escapes=1), BUDGETS)

    assert report.candidate is not None
    kinds = report.candidate["classes"]
    assert kinds["crack"]["frames"] == kinds["crack"]["detected"] == 3
    assert (kinds["blob"]["frames"], kinds["blob"]["detected"]) == (2, 1)
    # Clopper-Pearson of 0 in 20 at 95 %: 1 - 0.025 ** (1 / 20).
    rejects = report.candidate["false_rejects"]
    assert (rejects["rate"], rejects["lower"]) == (0.0, 0.0)
    assert rejects["upper"] == pytest.approx(1 - 0.025 ** (1 / 20))
    # Of 20 x 5 pairs, the escaped defect ties with the 20 good ones: (80 + 10) / 100.
    assert report.candidate["image_auroc"] == pytest.approx(0.9)
    assert report.paired is not None
    assert (report.paired["candidate_only"], report.paired["champion_only"]) == (1, 0)
    assert report.paired["p_value"] == 0.5


@pytest.mark.parametrize(
    ("good", "defects", "missing"),
    [
        (9, 5, ["9 good parts, 10 are needed"]),
        (20, 2, ["2 defects, 3 are needed"]),
        (0, 0, ["0 good parts", "0 defects"]),
    ],
)
def test_a_small_golden_set_says_nothing_about_a_candidate(
    good: int, defects: int, missing: list[str]
) -> None:
    kinds = [None] * good + ["crack"] * defects
    scores = np.zeros(good + defects, np.float32)
    one = Contender(1, scores, 0.5, 0.8, [])

    report = compare(kinds, one, one, BUDGETS)

    assert report.has_passed is False
    assert len(report.reasons) == len(missing)
    assert all(text in reason for text, reason in zip(missing, report.reasons, strict=True))


def test_a_lines_first_model_is_held_against_the_budgets_where_that_is_possible() -> None:
    good_only: list[str | None] = [None] * GOOD
    fine = Contender(None, np.full(GOOD, 0.1, np.float32), 0.5, 0.8, [])
    bad = Contender(None, np.full(GOOD, 0.9, np.float32), 0.5, 0.8, [])

    assert compare(good_only, None, fine, BUDGETS).has_passed is True
    assert compare(good_only, None, bad, BUDGETS).has_passed is False
    # Without golden frames a person decides.
    nothing = Contender(None, np.empty(0, np.float32), 0.5, 0.8, [])
    report = compare([], None, nothing, BUDGETS)
    assert report.has_passed is None
    assert report.candidate is not None
    assert report.candidate["image_auroc"] is None


def test_reports_can_be_stored() -> None:
    report = compare(KINDS, contender(number=3), contender(escapes=1), BUDGETS)

    for one in (report, not_compared("the champion is gone", BUDGETS)):
        assert json.loads(json.dumps(one.to_json())) == one.to_json()
