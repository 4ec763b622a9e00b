"""Geometric augmentations, worked by hand where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.bgad import warps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RESAMPLING = [
    warps.strong_lens,
    warps.weak_lens,
    warps.grid_distortion,
    warps.piecewise_distortion,
    warps.shift_scale_rotate,
]


class Drawn:
    """Stands in for the generator: every number drawn is the one set."""

    def __init__(self, value: float) -> None:
        self.value = value

    def integers(self, count: int) -> int:
        return int(self.value)

    def uniform(self, low: float, high: float, size: int | None = None) -> object:
        """`value` says where between the two: 0 is `low`, 1 is `high`."""
        drawn = low + self.value * (high - low)
        return drawn if size is None else np.full(size, drawn)


def pair() -> warps.Pair:
    mask = np.array([[1, 0, 0], [0, 0, 1]], dtype=np.bool_)
    return np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2), mask


@pytest.mark.parametrize(
    ("warp", "drawn", "image", "mask"),
    [
        (warps.quarter_turns, 1, [[2, 5], [1, 4], [0, 3]], [[0, 1], [0, 0], [1, 0]]),
        (warps.quarter_turns, 2, [[5, 4, 3], [2, 1, 0]], [[1, 0, 0], [0, 0, 1]]),
        (warps.flip, 0, [[3, 4, 5], [0, 1, 2]], [[0, 0, 1], [1, 0, 0]]),
        (warps.flip, 1, [[2, 1, 0], [5, 4, 3]], [[0, 0, 1], [1, 0, 0]]),
        (warps.flip, 2, [[5, 4, 3], [2, 1, 0]], [[1, 0, 0], [0, 0, 1]]),
        (warps.transpose, 0, [[0, 3], [1, 4], [2, 5]], [[1, 0], [0, 0], [0, 1]]),
    ],
)
def test_turns_and_flips_move_both_alike(
    warp: Callable[..., warps.Pair], drawn: int, image: list[list[int]], mask: list[list[int]]
) -> None:
    warped, warped_mask = warp(*pair(), Drawn(drawn))

    assert warped[:, :, 0].tolist() == image
    assert warped_mask.tolist() == (np.array(mask) == 1).tolist()


@pytest.mark.parametrize("warp", RESAMPLING[:3] + RESAMPLING[4:])
def test_in_the_middle_of_its_range_a_warp_does_nothing(warp: Callable[..., warps.Pair]) -> None:
    # Strength 0, stripes of equal width, no angle, scale 1, no shift.
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (41, 60, 3), dtype=np.uint8)
    mask = rng.random((41, 60)) < 0.3

    warped, warped_mask = warp(image, mask, Drawn(0.5))

    assert np.abs(warped.astype(int) - image).max() <= 1
    np.testing.assert_array_equal(warped_mask, mask)


@pytest.mark.parametrize("warp", RESAMPLING)
def test_outside_the_image_there_is_no_defect(warp: Callable[..., warps.Pair]) -> None:
    # All of the image is marked: what a warp takes from outside it must not be.
    image = np.zeros((50, 80, 3), dtype=np.uint8)
    mask = np.ones((50, 80), dtype=np.bool_)

    warped = [warp(image, mask, np.random.default_rng(seed)) for seed in range(20)]

    assert {one.shape for one, _ in warped} == {(50, 80, 3)}
    if warp is not warps.grid_distortion:  # which keeps the edges where they are
        assert any(not one.all() for _, one in warped)
    assert all(one.mean() > 0.3 for _, one in warped)


def test_a_lens_moves_pixels_away_from_the_middle() -> None:
    # 101 columns, strength 1. The pixel at distance x from the middle is taken from
    # x (1 + r^2 + r^4), r = x / 101: for x = 40, r^2 = 0.1569, from 40 * 1.1815 = 47.26.
    image = np.arange(101, dtype=np.uint8)[None, :, None].repeat(101, axis=0).repeat(3, axis=2)
    mask = np.zeros((101, 101), dtype=np.bool_)
    mask[:, 50 + 47] = True

    warped, warped_mask = warps.strong_lens(image, mask, Drawn(1))

    assert warped[50, 50, 0] == 50
    assert warped[50, 90, 0] == pytest.approx(97.26, abs=0.6)
    assert warped_mask[50].nonzero()[0].tolist() == [90]


def test_stripes_are_stretched_and_squeezed() -> None:
    # Widths 0.7 and 1.3 by turns, 5 of them: 0.7 + 1.3 + 0.7 + 1.3 + 0.7 = 4.7. The first stripe,
    # 20 of 101 columns, is taken from 0.7 / 4.7 of them: the end of it from column 14.89.
    class Alternating:
        def uniform(self, low: float, high: float, size: int) -> NDArray[np.float64]:
            return np.resize([low, high], size)

    columns = np.arange(101, dtype=np.uint8)[None, :, None].repeat(101, axis=0).repeat(3, axis=2)

    warped, _ = warps.grid_distortion(columns, np.ones((101, 101), np.bool_), Alternating())  # type: ignore[arg-type]

    assert warped[30, 20, 0] == pytest.approx(14.89, abs=0.6)
    assert warped[30, [0, 100], 0].tolist() == [0, 100]


def test_shift_scale_rotate_at_its_limits() -> None:
    # 45 degrees, 1.2 times as large, shifted by a sixteenth: 6.25 of 100 pixels right and down.
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    mask = np.zeros((100, 100), dtype=np.bool_)
    mask[49:51, 49:81] = True  # a bar from the centre to the right, 31 pixels long

    _, warped = warps.shift_scale_rotate(image, mask, Drawn(1))

    rows, columns = warped.nonzero()
    # Counterclockwise: it now rises to the right, by 31 * 1.2 * sqrt(1/2) = 26.3.
    assert columns.max() == pytest.approx(49.5 + 6.25 + 26.3, abs=2)
    assert rows.min() == pytest.approx(49.5 + 6.25 - 26.3, abs=2)
    # Two pixels across are 3.4 diagonal rows of pixels, so 3 or 4 of them.
    assert warped.sum() == pytest.approx(mask.sum() * 1.2**2, rel=0.2)


def test_a_piecewise_distortion_shifts_by_a_few_percent() -> None:
    columns = np.arange(200, dtype=np.uint8)[None, :, None].repeat(100, axis=0).repeat(3, axis=2)
    shifts = []
    for seed in range(50):
        warped, _ = warps.piecewise_distortion(
            columns, np.ones((100, 200), np.bool_), np.random.default_rng(seed)
        )
        # A point of the grid: the middle of the second of four cells of 50 columns.
        shifts.append(float(warped[37, 75, 0]) - 75)

    # Standard deviations of 3 to 5 % of 200 columns; 50 draws give it within a fifth.
    assert np.std(shifts) == pytest.approx(8, rel=0.3)
