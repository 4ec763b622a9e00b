"""The ten augmenters: image and mask go together, and nothing is drawn but what may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.bgad import augmenters
from models.bgad.augmenters import AUGMENTERS, Augmenter, augment

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Fixed:
    """Stands in for the generator: gives the number that was set."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


def marked(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A dark image with two bright boxes that the mask marks."""
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[height // 2 : height // 2 + 20, width // 4 : width // 4 + 30] = True
    mask[10:25, width // 2 : width // 2 + 16] = True
    image = np.where(mask[:, :, None], 230, 25).astype(np.uint8).repeat(3, axis=2)
    return image, mask


@pytest.mark.parametrize("which", range(10))
@pytest.mark.parametrize("size", [(120, 120), (90, 150)])
def test_the_mask_goes_where_the_defect_goes(which: int, size: tuple[int, int]) -> None:
    image, mask = marked(*size)
    always = Augmenter(1.0, AUGMENTERS[which].operations, AUGMENTERS[which].weights)

    for seed in range(20):
        warped, warped_mask = always(image, mask, np.random.default_rng(seed))

        assert warped.shape[:2] == warped_mask.shape
        assert sorted(warped_mask.shape) == sorted(size)
        assert (warped.dtype, warped_mask.dtype) == (np.uint8, np.bool_)
        # Interpolation and blur move the outline by a pixel or two; mirrored borders add bright
        # pixels that the mask must not have.
        bright = warped.mean(axis=2) > 127
        assert (warped_mask & ~bright).sum() <= 0.12 * mask.sum()
        np.testing.assert_array_equal(image, marked(*size)[0])


@pytest.mark.parametrize("which", range(10))
def test_grey_stays_grey(which: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 80, 1), dtype=np.uint8)
    image = image.repeat(3, axis=2)
    always = Augmenter(1.0, AUGMENTERS[which].operations, AUGMENTERS[which].weights)

    for seed in range(20):
        coloured, _ = always(image, np.ones((64, 80), np.bool_), np.random.default_rng(seed))

        assert np.ptp(coloured.astype(int), axis=2).max() == 0


def test_chance_decides_whether_anything_is_done() -> None:
    image, mask = marked(60, 90)
    done = Augmenter(0.3, (lambda image, mask, rng: (image + 1, mask),), ())

    assert done(image, mask, Fixed(0.3))[0] is image  # type: ignore[arg-type]


def test_operations_are_drawn_by_their_weights() -> None:
    image, mask = marked(60, 90)
    drawn: list[str] = []

    def note(name: str) -> augmenters.Operation:
        def operation(
            image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator
        ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
            drawn.append(name)
            return image, mask

        return operation

    chosen = Augmenter(0.5, (note("often"), note("seldom")), (3 / 4, 1 / 4))
    rng = np.random.default_rng(0)
    for _ in range(4000):
        chosen(image, mask, rng)

    # 2000 and 1500 are expected, with standard deviations of 32 and 19.
    assert len(drawn) == pytest.approx(2000, abs=130)
    assert drawn.count("often") == pytest.approx(0.75 * len(drawn), abs=80)


def test_three_different_augmenters_of_the_ten_are_composed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, mask = marked(60, 90)
    used: list[int] = []

    def noting(which: int) -> Augmenter:
        def operation(
            image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator
        ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
            used.append(which)
            return image, mask

        return Augmenter(1.0, (operation,))

    assert len(AUGMENTERS) == 10
    monkeypatch.setattr(augmenters, "AUGMENTERS", [noting(which) for which in range(10)])
    draws = []
    for seed in range(2000):
        augment(image, mask, np.random.default_rng(seed))
        draws.append(tuple(used))
        used.clear()

    assert {len(set(draw)) for draw in draws} == {3}
    # Each is in three draws of ten: 600, with a standard deviation of 20.
    counts = np.bincount(np.array(draws).ravel(), minlength=10)
    assert counts.min() > 500
    assert counts.max() < 700
    assert any(draw != tuple(sorted(draw)) for draw in draws)


def test_the_same_generator_augments_the_same() -> None:
    image, mask = marked(60, 90)

    for seed in range(20):
        first = augment(image, mask, np.random.default_rng(seed))
        again = augment(image, mask, np.random.default_rng(seed))
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])
