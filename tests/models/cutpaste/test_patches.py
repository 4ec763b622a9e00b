"""Patches and scars: their sizes, turning, and colours."""

from __future__ import annotations

import numpy as np
import pytest

from models.cutpaste.patches import (
    draw_patch_size,
    draw_scar_size,
    jitter,
    lay_over,
    rotate,
    rotated_size,
)


def test_patches_have_the_papers_areas_and_aspects() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([draw_patch_size((256, 256), rng) for _ in range(2000)])

    areas = sizes.prod(axis=1) / 256**2
    aspects = sizes[:, 1] / sizes[:, 0]
    # Rounding to whole pixels moves both a little.
    assert 0.018 < areas.min() < 0.03
    assert 0.14 < areas.max() < 0.155
    assert 0.29 < aspects.min() < 0.35
    assert 3.0 < aspects.max() < 3.4
    assert np.mean(aspects > 1) == pytest.approx(0.5, abs=0.05)


def test_scars_have_the_papers_sizes() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([draw_scar_size((256, 256), rng) for _ in range(2000)])

    assert (sizes.min(axis=0).tolist(), sizes.max(axis=0).tolist()) == ([10, 2], [25, 16])


def test_no_patch_is_larger_than_the_image() -> None:
    rng = np.random.default_rng(0)

    for _ in range(200):
        assert np.less_equal(draw_patch_size((8, 300), rng), (8, 300)).all()
        assert np.less_equal(draw_scar_size((8, 12), rng), (8, 12)).all()


def test_the_canvas_holds_the_turned_patch() -> None:
    # (10 + 4) / sqrt 2 = 9.9 both ways.
    assert rotated_size((10, 4), 45.0) == (10, 10)
    assert rotated_size((10, 4), 90.0) == (4, 10)
    assert rotated_size((10, 4), 0.0) == (10, 4)


@pytest.mark.parametrize("degrees", [-45.0, -20.0, 0.0, 33.0])
def test_nothing_of_a_turned_patch_is_lost(degrees: float) -> None:
    canvas, opacity = rotate(np.full((24, 10, 3), 77, np.uint8), degrees)

    assert canvas.shape[:2] == opacity.shape[:2]
    assert opacity.sum() == pytest.approx(240, rel=0.06)
    assert (canvas == 77).all()


def test_what_is_not_opaque_stays() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    opacity = np.array([[[1.0], [0.5]], [[0.0], [1.0]]], np.float32)

    lay_over(image, (1, 2), np.full((2, 2, 3), 100, np.uint8), opacity)

    expected = np.zeros((4, 4))
    expected[1:3, 2:4] = [[100, 50], [0, 100]]
    np.testing.assert_array_equal(image[..., 0], expected)


def test_brightness_varies_within_its_bounds() -> None:
    rng = np.random.default_rng(0)
    image = np.full((8, 8, 3), 100, np.uint8)

    varied = np.array([jitter(image, 0.1, rng) for _ in range(200)])

    # The other three move nothing on an even, grey image.
    assert 89 <= varied.min() < 95
    assert 105 < varied.max() <= 110
    assert (np.ptp(varied, axis=(1, 2, 3)) == 0).all()


def test_colours_vary_where_there_are_any() -> None:
    rng = np.random.default_rng(0)
    image = np.full((8, 8, 3), (150, 100, 50), np.uint8)

    varied = np.array([jitter(image, 0.1, rng)[0, 0] for _ in range(200)], float)

    # Green is in the middle between red and blue; hue moves it either way.
    place = (varied[:, 1] - varied[:, 2]) / (varied[:, 0] - varied[:, 2])
    assert place.min() < 0.3
    assert place.max() > 0.7


def test_no_jitter_changes_nothing() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)

    varied = jitter(image, 0.0, np.random.default_rng(0))

    np.testing.assert_array_equal(varied, image)
    assert varied is not image
