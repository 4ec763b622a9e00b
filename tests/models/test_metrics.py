"""Measures against numbers worked by hand, scikit-learn, and the definition done slowly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import precision_recall_curve, roc_auc_score

from models.errors import ShapeError
from models.metrics import (
    aupro,
    escape_rate,
    f1_max,
    false_reject_rate,
    image_auroc,
    pixel_auroc,
)

GOOD_AND_BAD = np.array([False, False, False, True, True])


def labelled_scores(seed: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a few levels, hence many ties, of good and defective images."""
    rng = np.random.default_rng(seed)
    labels = np.append(rng.random(60) < 0.4, [True, False])
    scores = rng.integers(0, levels, 62) + labels * rng.integers(0, levels, 62) // 2
    return scores.astype(np.float32), labels


def slow_aupro(maps: np.ndarray, masks: np.ndarray, limit: float) -> float:
    """Threshold by threshold, from the definition; scipy finds the components."""
    regions = []
    for index, mask in enumerate(masks):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [(index, labels == number) for number in range(1, count + 1)]
    rates, overlaps = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        flagged = maps >= threshold
        rates.append((flagged & ~masks).sum() / (~masks).sum())
        overlaps.append(np.mean([flagged[i][region].mean() for i, region in regions]))
    area = 0.0
    for i in range(len(rates) - 1):
        if rates[i] >= limit or rates[i + 1] == rates[i]:
            continue
        end = min(rates[i + 1], limit)
        slope = (overlaps[i + 1] - overlaps[i]) / (rates[i + 1] - rates[i])
        height = overlaps[i] + slope * (end - rates[i])
        area += (end - rates[i]) * (overlaps[i] + height) / 2
    return area / limit


def test_image_auroc_worked_by_hand() -> None:
    # Pairs (defective, good): 3 beats 1, 2 and ties 3: 2.5; 2 beats 1, ties 2, loses to 3: 1.5.
    # Together 4 of 6 pairs.
    assert image_auroc(np.array([1.0, 2.0, 3.0, 3.0, 2.0]), GOOD_AND_BAD) == pytest.approx(4 / 6)


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_image_auroc_is_that_of_scikit_learn(seed: int, levels: int) -> None:
    scores, labels = labelled_scores(seed, levels)

    assert image_auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_f1_max_worked_by_hand() -> None:
    # F1 is 2 found / (flagged + defective). Scores >= 3: 2 * 1 / (2 + 2); >= 2: 2 * 2 / (4 + 2).
    assert f1_max(np.array([1.0, 2.0, 3.0, 3.0, 2.0]), GOOD_AND_BAD) == pytest.approx(4 / 6)
    # Splitting a tie would give 1; a threshold flags all three: 2 * 1 / (3 + 1).
    assert f1_max(np.array([5.0, 5.0, 5.0]), np.array([True, False, False])) == 0.5


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_f1_max_is_the_best_of_scikit_learns_curve(seed: int, levels: int) -> None:
    scores, labels = labelled_scores(seed, levels)
    precision, recall, _ = precision_recall_curve(labels, scores)
    best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()

    assert f1_max(scores, labels) == pytest.approx(best, abs=1e-12)


def test_rates_count_scores_at_the_threshold_as_beyond_it() -> None:
    scores = np.array([1.0, 2.0, 3.0, 2.0, 1.9])

    # Good: 1, 2, 3; a score equal to the threshold is rejected.
    assert false_reject_rate(scores, GOOD_AND_BAD, reject=2.0) == pytest.approx(2 / 3)
    # Defective: 2 and 1.9; a score equal to the threshold goes to review, so it does not escape.
    assert escape_rate(scores, GOOD_AND_BAD, review=2.0) == pytest.approx(1 / 2)


def test_a_threshold_just_above_a_float32_score_is_not_rounded_down_to_it() -> None:
    scores = np.array([0.1, 0.1], np.float32)
    just_above = float(np.nextafter(float(scores[0]), 1))

    assert false_reject_rate(scores, np.array([False, True]), just_above) == 0
    assert escape_rate(scores, np.array([False, True]), just_above) == 1


def test_what_is_undefined_is_none() -> None:
    scores, good, bad = np.array([1.0, 2.0]), np.zeros(2, bool), np.ones(2, bool)
    maps = np.ones((2, 3, 3), np.float32)

    assert image_auroc(scores, good) is None
    assert image_auroc(scores, bad) is None
    assert f1_max(scores, good) is None
    assert false_reject_rate(scores, bad, reject=1.5) is None
    assert escape_rate(scores, good, review=1.5) is None
    for measure in (pixel_auroc, aupro):
        assert measure(maps, np.zeros((2, 3, 3), bool)) is None
        assert measure(maps, np.ones((2, 3, 3), bool)) is None
        assert measure([], []) is None


def pixels(seed: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Four small maps with many ties; one image is good, regions touch at corners and differ."""
    rng = np.random.default_rng(seed)
    masks = rng.random((4, 9, 7)) < 0.15
    masks[0] = False
    masks[1, :2, :3] = True
    maps = rng.integers(0, levels, masks.shape) + masks * rng.integers(0, levels, masks.shape)
    return maps.astype(np.float32), masks


@pytest.mark.parametrize("levels", [2, 6, 100_000])
@pytest.mark.parametrize("seed", range(5))
def test_pixel_auroc_is_that_of_scikit_learn(seed: int, levels: int) -> None:
    maps, masks = pixels(seed, levels)

    expected = roc_auc_score(masks.ravel(), maps.ravel())

    assert pixel_auroc(maps, masks) == pytest.approx(expected, abs=1e-12)


def test_aupro_worked_by_hand() -> None:
    # Ten normal pixels score 0 to 9; region A (one pixel) scores 8.5, region B (two) 6.5 and 1.5.
    # Falling threshold: at 9 one normal pixel: (0.1, 0). At 8.5: A found, overlap (1 + 0) / 2.
    # At 8 and 7: (0.2, 0.5), (0.3, 0.5). So up to 0.3 the area is 0.1 * 0 + 0.2 * 0.5 = 0.1.
    images = [np.arange(10.0)[None], np.array([[8.5]]), np.array([[6.5], [1.5]])]
    masks = [np.zeros((1, 10), bool), np.ones((1, 1), bool), np.ones((2, 1), bool)]

    assert aupro(images, masks) == pytest.approx(0.1 / 0.3)
    # Up to 0.35: at 6.5 half of B is found, so the overlap is 0.5 + 0.25 from 0.3 on.
    assert aupro(images, masks, limit=0.35) == pytest.approx((0.1 + 0.05 * 0.75) / 0.35)
    # All of it: 0.75 for the five normal pixels of score 6 to 2, then, with 1.5 found, 1 for two.
    assert aupro(images, masks, limit=1.0) == pytest.approx(0.1 + 0.5 * 0.75 + 0.2 * 1)


def test_aupro_interpolates_linearly_at_the_limit() -> None:
    # All pixels tie: one step from (0, 0) to (1, 1). Cut at 0.3 the area is 0.3 * 0.3 / 2.
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True

    assert aupro([np.ones((5, 5))], [mask]) == pytest.approx(0.15)


def test_a_perfect_map_has_all_measures_at_one() -> None:
    mask = np.zeros((8, 8), bool)
    mask[1, 1] = mask[4:, 4:] = True

    assert aupro([mask.astype(np.float32)], [mask]) == pytest.approx(1)
    assert pixel_auroc([mask.astype(np.float32)], [mask]) == 1


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    # One region of two pixels, one found: overlap 1/2. As two regions and a third it would differ:
    # regions {a, b} and {c}; found is a: (1/2 + 0) / 2 = 1/4 with 8-connectivity, 1/3 with 4.
    mask = np.zeros((4, 6), bool)
    mask[0, 0] = mask[1, 1] = mask[3, 5] = True
    anomaly_map = np.ones((4, 6), np.float32)
    anomaly_map[0, 0], anomaly_map[1, 1], anomaly_map[3, 5] = 2, 0, 0

    # From (0, 1/4) the first step is flat until all 21 normal pixels are flagged at once.
    assert aupro([anomaly_map], [mask]) == pytest.approx(1 / 4)


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("levels", [2, 6, 100_000])
@pytest.mark.parametrize("seed", range(5))
def test_aupro_is_that_of_the_definition(seed: int, levels: int, limit: float) -> None:
    maps, masks = pixels(seed, levels)

    assert aupro(maps, masks, limit=limit) == pytest.approx(
        slow_aupro(maps, masks, limit), abs=1e-9
    )


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6), shift=st.integers(-20, 20), factor=st.sampled_from([0.5, 4, 1024])
)
def test_measures_depend_on_the_order_of_scores_only(seed: int, shift: int, factor: float) -> None:
    maps, masks = pixels(seed, levels=50)

    moved = (maps + shift) * np.float32(factor)  # exact in float32, so ties stay ties

    assert aupro(moved, masks) == pytest.approx(aupro(maps, masks), abs=1e-12)
    assert pixel_auroc(moved, masks) == pixel_auroc(maps, masks)


def test_maps_of_several_sizes_are_one_set() -> None:
    maps, masks = pixels(seed=1, levels=6)
    cut = [maps[0, :4], maps[0, 4:], *maps[1:]]  # the first image is good: it has no region to cut

    assert aupro(cut, [masks[0, :4], masks[0, 4:], *masks[1:]]) == aupro(maps, masks)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        image_auroc(np.array([1.0, np.nan]), np.array([True, False]))
    with pytest.raises(ValueError, match="not a number"):
        pixel_auroc([np.full((2, 2), np.nan)], [np.eye(2, dtype=bool)])


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ShapeError):
        image_auroc(np.zeros(3), np.zeros(2, bool))
    with pytest.raises(ShapeError):
        aupro([np.zeros((2, 2))], [np.zeros((2, 3), bool)])
    with pytest.raises(ShapeError):
        aupro([np.zeros((2, 2))], [])


def test_a_limit_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        aupro([np.zeros((2, 2))], [np.eye(2, dtype=bool)], limit=0)
