"""Figures worked by hand, and intervals over whole parts."""

from __future__ import annotations

import numpy as np
import pytest

from bench.loop.measuring import Scored, difference, draws, intervals, scores_of

#: 199 scores 0.000 to 0.198: the bound for 1 % of (199 + 1) is the second highest, 0.197.
CALIBRATION = [i / 1000 for i in range(199)]
SCORES = {"calibration": CALIBRATION, "good": [0.1, 0.198], "defect": [0.05, 0.15, 0.3, 0.4]}
PARTS = {
    "calibration": [str(i) for i in range(199)],
    "good": ["a", "b"],
    "defect": ["c", "c", "d", "e"],
}


def test_the_threshold_comes_from_the_calibration_alone() -> None:
    tested = scores_of(SCORES)

    # rank = ceil(200 * 0.99) = 198: the 198th smallest is 0.197, and the threshold just above.
    assert tested.threshold == pytest.approx(0.197, abs=1e-6)
    assert tested.threshold > np.float32(0.197)
    assert tested.escapes.tolist() == [True, True, False, False]
    assert (tested.escape_rate, tested.false_rejects) == (0.5, 0.5)
    # Of the 8 pairs, 0.05 beats neither good, 0.15 one, 0.3 and 0.4 both.
    assert tested.auroc == 5 / 8


def test_some_of_the_defects_can_be_looked_at() -> None:
    assert scores_of(SCORES, np.array([False, True, True, False])).escape_rate == 0.5


def test_whole_parts_are_drawn() -> None:
    for draw in draws(PARTS)[:200]:
        assert np.count_nonzero(draw["defect"] == 0) == np.count_nonzero(draw["defect"] == 1)
        assert len(draw["calibration"]) == 199


def test_a_version_is_neither_better_nor_worse_than_itself() -> None:
    tested = scores_of(SCORES)
    drawn = draws(PARTS)

    found = difference(tested, tested, drawn)

    assert (found.auroc, found.escape_rate) == (0, 0)
    assert not found.is_worse
    auroc, escapes = intervals(tested, drawn)
    assert auroc.lower <= tested.auroc <= auroc.upper
    assert escapes.lower <= tested.escape_rate <= escapes.upper


def test_a_version_that_sees_nothing_is_worse_than_one_that_sees_all() -> None:
    rng = np.random.default_rng(0)
    good, calibration = rng.random(80), rng.random(199)
    blind = Scored(*(a.astype(np.float32) for a in (calibration, good, rng.random(60))))
    sharp = Scored(*(a.astype(np.float32) for a in (calibration, good, 2 + rng.random(60))))
    parts = {"calibration": list("c" * 0), "good": [], "defect": []}
    for name, count in (("calibration", 199), ("good", 80), ("defect", 60)):
        parts[name] = [f"{name}{i}" for i in range(count)]

    assert difference(blind, sharp, draws(parts)).is_worse
    assert not difference(sharp, blind, draws(parts)).is_worse
