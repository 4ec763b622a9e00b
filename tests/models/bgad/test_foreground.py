"""The part is found where there is one; a texture is all foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from models.bgad.foreground import foreground_mask
from models.datasets import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def noisy(grey: NDArray[np.float64], sigma: float = 5) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(0, sigma, grey.shape)
    return (grey + noise).clip(0, 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)


def disc(height: int, width: int, radius: int) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[:height, :width]
    return (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < radius**2


def overlap(found: NDArray[np.bool_], part: NDArray[np.bool_]) -> float:
    return float((found & part).sum() / (found | part).sum())


@pytest.mark.parametrize(("part", "background"), [(200, 60), (40, 210)])
@pytest.mark.parametrize("size", [(300, 300), (240, 420)])
def test_a_part_is_found_whether_brighter_or_darker(
    part: int, background: int, size: tuple[int, int]
) -> None:
    truth = disc(*size, radius=70)

    found = foreground_mask(noisy(np.where(truth, part, background)))

    assert found.shape == size
    assert found.dtype == np.bool_
    assert overlap(found, truth) > 0.95


def test_holes_are_filled_and_specks_dropped() -> None:
    truth = disc(300, 300, radius=80)
    grey = np.where(truth, 200, 60)
    grey[disc(300, 300, radius=20)] = 60
    grey[20:28, 20:28] = 200

    found = foreground_mask(noisy(grey))

    assert overlap(found, truth) > 0.95
    assert not found[:40, :40].any()


def test_two_parts_are_both_foreground() -> None:
    grey = np.full((200, 300), 50)
    grey[60:140, 40:120] = grey[60:140, 180:260] = 190

    found = foreground_mask(noisy(grey))

    assert overlap(found, grey == 190) > 0.9


@pytest.mark.parametrize(
    "grey",
    [
        np.full((100, 100), 128),  # nothing at all
        np.random.default_rng(0).normal(120, 30, (200, 200)),  # a texture
        np.tile(np.linspace(40, 220, 200), (150, 1)),  # uneven light
        np.where(np.arange(200)[:, None] < 100, 40, 200).repeat(200, axis=1),  # edge of both
        np.where(disc(200, 200, 8), 200, 50),  # next to nothing
    ],
)
def test_where_no_part_is_told_apart_all_is_foreground(grey: NDArray[np.float64]) -> None:
    assert foreground_mask(noisy(grey)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 2)])
def test_tiny_images_have_a_foreground(size: tuple[int, int]) -> None:
    assert foreground_mask(np.full((*size, 3), 7, dtype=np.uint8)).shape == size


def test_real_tiles_are_textures(shared_data: Path) -> None:
    tiles = open_dataset(shared_data / "magnetic_tile").train[::100]

    assert all(foreground_mask(tile.image()).all() for tile in tiles)


def test_real_cookies_are_found_on_their_plate(shared_data: Path) -> None:
    # The last of the 31 lies on a shining sheet: nothing is told apart there.
    for sample in open_dataset(shared_data / "cookie").train[:30:10]:
        image = sample.image()

        found = foreground_mask(image)

        # Dough is yellow, the plate is grey: told apart by saturation, as an independent measure.
        saturation = cv2.medianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[:, :, 1], 15)
        assert overlap(found, saturation > 90) > 0.8
