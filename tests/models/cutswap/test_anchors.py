"""Anchors, each of their rules on a mask that leaves no other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.cutswap.anchors import Anchors, Rule, draw_anchors

FRAME = (20, 30)


def salient(*pixels: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(FRAME, bool)
    mask[tuple(np.transpose(pixels))] = True
    return mask


def drawn(mask: np.ndarray, *sizes: tuple[int, int], seed: int = 0) -> Anchors | None:
    return draw_anchors(mask, sizes, np.random.default_rng(seed))


def test_two_pixels_far_apart_are_taken_at_once() -> None:
    anchors = drawn(salient((2, 3), (10, 20)), (5, 5))

    assert anchors is not None
    assert {anchors.first, anchors.second} == {(2, 3), (10, 20)}
    assert (anchors.rule, anchors.size) == (Rule.FIRST, 0)


def test_a_pair_that_does_not_do_is_drawn_again() -> None:
    # Most pairs are of neighbours on the left; the disjoint ones have the one pixel on the right.
    mask = salient(*[(row, 1) for row in range(5)], (2, 20))

    rules = set()
    for seed in range(20):
        anchors = drawn(mask, (6, 6), seed=seed)
        assert anchors is not None
        assert (2, 20) in {anchors.first, anchors.second}
        rules.add(anchors.rule)

    assert rules == {Rule.FIRST, Rule.RESAMPLED}


def test_overflowing_patches_are_shifted_inward() -> None:
    # 4 high and 6 wide: from (19, 29) only what begins at (16, 24) fits.
    anchors = drawn(salient((19, 29), (2, 2)), (4, 6), (3, 4))

    assert anchors is not None
    assert {anchors.first, anchors.second} == {(16, 24), (2, 2)}
    assert (anchors.rule, anchors.size) == (Rule.SHIFTED, 0)


def test_overlapping_patches_shrink_until_they_are_apart() -> None:
    anchors = drawn(salient((5, 5), (5, 8)), (5, 5), (4, 4), (3, 3), (2, 2))

    assert anchors is not None
    assert {anchors.first, anchors.second} == {(5, 5), (5, 8)}
    assert (anchors.rule, anchors.size) == (Rule.SHRUNK, 2)


def test_a_map_with_no_room_at_any_size_is_skipped() -> None:
    assert drawn(salient((5, 5), (5, 6)), (5, 5), (2, 2)) is None


def test_patches_larger_than_the_image_shrink_first() -> None:
    anchors = drawn(salient((0, 0), (0, 15)), (30, 10), (18, 10))

    assert anchors is not None
    assert (anchors.rule, anchors.size) == (Rule.SHRUNK, 1)


@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.01, 0.9),
    height=st.integers(2, 40),
    width=st.integers(2, 40),
)
def test_patches_always_fit_and_have_no_pixel_in_common(
    seed: int, share: float, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(FRAME) < share
    mask[0, :2] = True
    sizes = [(max(2, height >> step), max(2, width >> step)) for step in range(6)]

    anchors = draw_anchors(mask, sizes, rng)

    if anchors is None:
        return
    counts = np.zeros(FRAME, int)
    rows, columns = sizes[anchors.size]
    for row, column in (anchors.first, anchors.second):
        window = counts[row : row + rows, column : column + columns]
        assert window.shape == (rows, columns)
        window += 1
    assert counts.max() == 1


def test_a_pair_is_drawn_evenly_from_all_pairs() -> None:
    mask = salient((0, 0), (0, 10), (0, 20))

    pairs = [drawn(mask, (2, 2), seed=seed) for seed in range(600)]
    counts: dict[tuple[object, object], int] = {}
    for anchors in pairs:
        assert anchors is not None
        counts[anchors.first, anchors.second] = counts.get((anchors.first, anchors.second), 0) + 1

    # Six ordered pairs, 100 each on average; the deviation is 9.
    assert len(counts) == 6
    assert all(count == pytest.approx(100, abs=40) for count in counts.values())
