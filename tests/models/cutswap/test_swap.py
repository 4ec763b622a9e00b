"""Swapped patches, to the pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.cutswap import swap as swap_module
from models.cutswap.anchors import Anchors, Rule
from models.cutswap.swap import shrinking, swap, swap_scars

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 64


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def everywhere() -> np.ndarray:
    return np.ones((SIZE, SIZE), bool)


def colours(image: np.ndarray) -> np.ndarray:
    return np.sort(image.reshape(-1, 3).view("u1,u1,u1").ravel())


def at(first: tuple[int, int], second: tuple[int, int]) -> object:
    def fixed(_mask: np.ndarray, _sizes: Sequence[object], _rng: object) -> Anchors:
        return Anchors(first, second, 0, Rule.FIRST)

    return fixed


def test_both_patches_are_copied_before_either_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap_module, "draw_patch_size", lambda *_: (4, 7))
    monkeypatch.setattr(swap_module, "draw_anchors", at((1, 2), (30, 40)))
    image = picture()

    swapped, rule = swap(image, everywhere(), np.random.default_rng(0), patch_jitter=0.0)

    expected = image.copy()
    expected[30:34, 40:47] = image[1:5, 2:9]
    expected[1:5, 2:9] = image[30:34, 40:47]
    assert swapped is not None
    np.testing.assert_array_equal(swapped, expected)
    assert rule is Rule.FIRST


@pytest.mark.parametrize("seed", range(20))
def test_every_pixel_is_still_there_after_a_swap(seed: int) -> None:
    image = picture(seed)
    before = image.copy()

    swapped, _ = swap(image, everywhere(), np.random.default_rng(seed), patch_jitter=0.0)

    assert swapped is not None
    assert (swapped != image).any()
    np.testing.assert_array_equal(colours(swapped), colours(image))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("seed", range(20))
def test_scars_leave_no_holes(seed: int) -> None:
    # Of an image of one colour a scar cannot be seen: no black corner, no darkened edge.
    image = np.full((SIZE, SIZE, 3), (200, 120, 40), np.uint8)

    swapped, rule = swap_scars(image, everywhere(), np.random.default_rng(seed), patch_jitter=0.0)

    assert rule is not Rule.SKIPPED
    np.testing.assert_array_equal(swapped, image)


def test_scars_that_are_not_turned_are_swapped_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap_module, "draw_scar_size", lambda *_: (12, 3))
    monkeypatch.setattr(swap_module, "draw_angle", lambda _: 0.0)
    monkeypatch.setattr(swap_module, "draw_anchors", at((1, 2), (30, 40)))
    image = picture()

    swapped, _ = swap_scars(image, everywhere(), np.random.default_rng(0), patch_jitter=0.0)

    expected = image.copy()
    expected[30:42, 40:43] = image[1:13, 2:5]
    expected[1:13, 2:5] = image[30:42, 40:43]
    np.testing.assert_array_equal(swapped, expected)


@pytest.mark.parametrize("kind", [swap, swap_scars])
def test_a_map_without_room_is_skipped(kind: object) -> None:
    salient = np.zeros((SIZE, SIZE), bool)
    salient[5, 5:7] = True

    assert callable(kind)
    assert kind(picture(), salient, np.random.default_rng(0), patch_jitter=0.0) == (
        None,
        Rule.SKIPPED,
    )


def test_salient_pixels_at_the_lower_right_are_moved_inward_or_shrunk() -> None:
    salient = np.zeros((SIZE, SIZE), bool)
    salient[-1, -1] = salient[0, 0] = True

    rules = {
        swap(picture(), salient, np.random.default_rng(seed), patch_jitter=0.0)[1]
        for seed in range(10)
    }

    assert rules <= {Rule.SHIFTED, Rule.SHRUNK}
    assert Rule.SHIFTED in rules


def test_patches_can_change_their_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap_module, "draw_patch_size", lambda *_: (8, 8))
    monkeypatch.setattr(swap_module, "draw_anchors", at((0, 0), (20, 20)))
    image = np.full((SIZE, SIZE, 3), 128, np.uint8)

    swapped, _ = swap(image, everywhere(), np.random.default_rng(0), patch_jitter=0.3)

    assert swapped is not None
    changed = (swapped != image).any(axis=2)
    assert changed[:8, :8].any()
    assert changed[20:28, 20:28].any()
    changed[:8, :8] = changed[20:28, 20:28] = False
    assert not changed.any()


def test_shrinking_ends_at_two_pixels() -> None:
    # 9 * 0.8 = 7.2, 7 * 0.8 = 5.6, 5 * 0.8 = 4, 4 * 0.8 = 3.2, 3 * 0.8 = 2.4.
    assert shrinking((3, 9)) == [(3, 9), (2, 7), (2, 5), (2, 4), (2, 3), (2, 2)]
    assert shrinking((2, 2)) == [(2, 2)]
