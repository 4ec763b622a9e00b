"""Whether 8 bits are enough: where the bank's range is wide and good parts differ little, not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.detector import TrainingImages
from models.patchcore.precision import eight_bits_suffice

if TYPE_CHECKING:
    from collections.abc import Iterator


class Scoring:
    """Scores that are what the pixels say, and an error."""

    def __init__(self, patch_error: float, image_error: float = 0.0) -> None:
        self.patch_error, self.image_error = patch_error, image_error
        self.images = 0

    def score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.images += len(images)
        grid = images[..., 0].astype(np.float64)
        worst = grid.max(axis=(1, 2))
        # Up and down in turn, as rounding is.
        turns = np.where(np.indices(grid.shape).sum(axis=0) % 2, 1, -1)
        return grid + self.patch_error * turns, worst + self.image_error


def held_out(count: int = 40) -> TrainingImages:
    """Patches spread by 29 within 0 to 100; the worst of an image by less."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 101, (count, 4, 4, 3), dtype=np.uint8)

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, count, 8):
            yield images[start : start + 8]

    return TrainingImages(count, batches, lambda index: images[index])


def test_small_errors_are_fine_and_few_images_are_looked_at() -> None:
    exact = Scoring(0.0)

    assert eight_bits_suffice(Scoring(1.0), exact, held_out())
    assert exact.images == 16


def test_a_map_of_rounding_errors_is_refused() -> None:
    assert not eight_bits_suffice(Scoring(2.0), Scoring(0.0), held_out())


def test_other_image_scores_are_refused() -> None:
    assert not eight_bits_suffice(Scoring(0.0, 0.5), Scoring(0.0), held_out())


def test_where_nothing_differs_nothing_can_be_told() -> None:
    flat = TrainingImages(
        2, lambda: iter([np.zeros((2, 4, 4, 3), np.uint8)]), lambda index: np.zeros((4, 4, 3))
    )

    assert not eight_bits_suffice(Scoring(0.0), Scoring(0.0), flat)
