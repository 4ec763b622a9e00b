"""Pseudo anomalies: the mask is what was pasted, and it is pasted onto the part."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.bgad import pseudo_anomalies
from models.bgad.pseudo_anomalies import PseudoAnomalies
from models.datasets import open_dataset
from models.detector import KnownAnomaly, TrainingImages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def normals(*images: NDArray[np.uint8]) -> TrainingImages:
    return TrainingImages(len(images), lambda: iter(()), lambda index: images[index])


def bright_anomaly(
    height: int, width: int, *boxes: tuple[int, int, int, int], name: str = "bright"
) -> KnownAnomaly:
    """Bright everywhere: on a dark image every pasted pixel differs, whatever augments it."""
    mask = np.zeros((height, width), dtype=np.bool_)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return KnownAnomaly(name, np.full((height, width, 3), 200, dtype=np.uint8), mask)


def dark(height: int, width: int) -> NDArray[np.uint8]:
    return np.zeros((height, width, 3), dtype=np.uint8)


def dark_with_part(height: int, width: int) -> NDArray[np.uint8]:
    """A part that fills the lower right of the middle, in front of a black background."""
    image = dark(height, width)
    image[height // 2 : -height // 8, width // 2 : -width // 8] = 90
    return image


def part_of(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return image[:, :, 0] > 0


def changed(target: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> NDArray[np.bool_]:
    difference: NDArray[np.bool_] = (target != drawn).any(axis=2)
    return difference


@pytest.mark.parametrize("restrict", [True, False])
@pytest.mark.parametrize("target", [dark(120, 120), dark(90, 200), dark_with_part(160, 130)])
def test_the_mask_is_exactly_the_pixels_that_changed(
    target: NDArray[np.uint8], restrict: bool
) -> None:
    anomalies = [
        bright_anomaly(110, 80, (5, 5, 30, 20)),
        bright_anomaly(64, 64, (0, 0, 4, 64), (40, 40, 50, 44)),
    ]
    pseudo = PseudoAnomalies(anomalies, normals(target), restrict_to_foreground=restrict, seed=0)

    for index in range(60):
        image, mask = pseudo.draw(0, index)
        assert image.shape == target.shape
        assert mask.any()
        np.testing.assert_array_equal(mask, changed(target, image))


def test_what_is_pasted_comes_from_the_anomaly(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing is augmented, and both are of one size: the defect itself, in its place.
    monkeypatch.setattr(pseudo_anomalies, "augment", lambda image, mask, rng: (image, mask))
    rng = np.random.default_rng(0)
    mask = np.zeros((40, 50), dtype=np.bool_)
    mask[10:20, 30:33] = True
    anomaly = KnownAnomaly("a", rng.integers(0, 256, (40, 50, 3), dtype=np.uint8), mask)
    target = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)

    image, pasted = PseudoAnomalies([anomaly], normals(target), seed=0).draw(1, 0)

    np.testing.assert_array_equal(pasted, mask)
    np.testing.assert_array_equal(image, np.where(mask[:, :, None], anomaly.image, target))


def test_a_defect_of_another_size_is_stretched(monkeypatch: pytest.MonkeyPatch) -> None:
    # From 40 x 50 to 80 x 25: rows twice, columns half.
    monkeypatch.setattr(pseudo_anomalies, "augment", lambda image, mask, rng: (image, mask))
    anomaly = bright_anomaly(40, 50, (10, 30, 20, 36))

    _, mask = PseudoAnomalies([anomaly], normals(dark(80, 25)), seed=0).draw(1, 0)

    expected = np.zeros((80, 25), dtype=np.bool_)
    expected[20:40, 15:18] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("seed", range(3))
def test_pieces_beside_the_part_are_moved_onto_it_one_by_one(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudo_anomalies, "augment", lambda image, mask, rng: (image, mask))
    target = dark_with_part(160, 160)
    anomaly = bright_anomaly(160, 160, (2, 2, 8, 9), (20, 4, 25, 9))  # 6 x 7 and 5 x 5
    pseudo = PseudoAnomalies([anomaly], normals(target), seed=seed)

    images_and_masks = [pseudo.draw(0, index) for index in range(20)]

    part = part_of(target)
    distances = set()
    for _, mask in images_and_masks:
        rows, columns = mask.nonzero()
        assert mask.sum() <= 6 * 7 + 5 * 5  # less where one covers the other
        assert part[mask].mean() > 0.5  # the centres are on it
        distances.add((rows.max() - rows.min(), columns.max() - columns.min()))
    assert len(distances) > 5  # each goes its own way


def test_a_defect_that_lies_on_the_part_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudo_anomalies, "augment", lambda image, mask, rng: (image, mask))
    target = dark_with_part(160, 160)  # from row and column 80 on
    # 12 rows by 10 columns: of 12 columns 9 lie on the part, three quarters; more than two thirds.
    on_it = bright_anomaly(160, 160, (90, 77, 100, 89))
    # 6 of 12 do not suffice.
    beside = bright_anomaly(160, 160, (90, 74, 100, 86))

    _, kept = PseudoAnomalies([on_it], normals(target), seed=0).draw(0, 0)
    _, moved = PseudoAnomalies([beside], normals(target), seed=0).draw(0, 0)
    free = PseudoAnomalies([beside], normals(target), restrict_to_foreground=False, seed=0)

    np.testing.assert_array_equal(kept, on_it.mask)
    assert (moved != beside.mask).any()
    np.testing.assert_array_equal(free.draw(0, 0)[1], beside.mask)


def test_moved_pieces_stay_inside_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    # The part touches the right edge; the piece of 31 x 31 has its centre 16 or more away from it.
    monkeypatch.setattr(pseudo_anomalies, "augment", lambda image, mask, rng: (image, mask))
    target = dark(120, 120)
    foreground = np.zeros((120, 120), dtype=np.bool_)
    foreground[30:90, 60:] = True
    monkeypatch.setattr(pseudo_anomalies, "foreground_mask", lambda image: foreground)
    anomaly = bright_anomaly(120, 120, (0, 0, 31, 31))
    pseudo = PseudoAnomalies([anomaly], normals(target), seed=0)

    assert all(pseudo.draw(0, index)[1].sum() == 31 * 31 for index in range(50))


def test_a_piece_larger_than_the_room_loses_what_leaves_the_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No place keeps 80 rows of 100 inside where the foreground is the uppermost ten.
    monkeypatch.setattr(pseudo_anomalies, "augment", lambda image, mask, rng: (image, mask))
    foreground = np.zeros((100, 100), dtype=np.bool_)
    foreground[:10] = True
    monkeypatch.setattr(pseudo_anomalies, "foreground_mask", lambda image: foreground)
    anomaly = bright_anomaly(100, 100, (20, 40, 100, 60))
    target = dark(100, 100)

    image, mask = PseudoAnomalies([anomaly], normals(target), seed=0).draw(0, 0)

    # Its centre is in one of the rows 0 to 9, so 40 to 50 rows are left.
    assert 40 <= mask.any(axis=1).sum() <= 50
    np.testing.assert_array_equal(mask, changed(target, image))


def test_a_draw_depends_on_seed_epoch_and_index_alone() -> None:
    rng = np.random.default_rng(0)
    targets = [rng.integers(0, 100, (60, 60 + size, 3), dtype=np.uint8) for size in range(5)]
    anomalies = [bright_anomaly(60, 60, (10, 10, 30, 20)), bright_anomaly(90, 60, (50, 5, 60, 9))]

    def same(seed: int, order: Sequence[int], threads: int) -> dict[int, bytes]:
        pseudo = PseudoAnomalies(anomalies, normals(*targets), seed=seed)
        with ThreadPoolExecutor(threads) as pool:
            drawn = pool.map(lambda index: pseudo.draw(3, index), order)
            return {
                index: image.tobytes() + mask.tobytes()
                for index, (image, mask) in zip(order, drawn, strict=True)
            }

    first = same(1, range(12), threads=1)

    assert first == same(1, range(11, -1, -1), threads=4)
    assert len(set(first.values())) > 6  # augmenting may change nothing
    assert first != same(2, range(12), threads=1)
    pseudo = PseudoAnomalies(anomalies, normals(*targets), seed=1)
    image, mask = pseudo.draw(4, 0)
    assert first[0] != image.tobytes() + mask.tobytes()


def test_the_known_anomalies_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudo_anomalies, "augment", lambda image, mask, rng: (image, mask))
    anomalies = [bright_anomaly(50, 50, (0, 0, 1, size)) for size in (2, 3, 4)]
    pseudo = PseudoAnomalies(anomalies, normals(dark(50, 50)), seed=0)

    assert [pseudo.draw(0, index)[1].sum() for index in range(7)] == [2, 3, 4, 2, 3, 4, 2]


def test_a_defect_that_augmenting_always_loses_is_pasted_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def lose(
        image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        tried.append(rng.random())
        return image, np.zeros_like(mask)

    monkeypatch.setattr(pseudo_anomalies, "augment", lose)
    anomaly = bright_anomaly(40, 40, (3, 4, 5, 6))

    image, mask = PseudoAnomalies([anomaly], normals(dark(40, 40)), seed=0).draw(0, 0)

    assert len(set(tried)) == len(tried) > 1
    np.testing.assert_array_equal(mask, anomaly.mask)
    np.testing.assert_array_equal(mask, changed(dark(40, 40), image))


def test_one_pixel_of_a_large_picture_is_not_lost_on_a_small_one() -> None:
    anomaly = bright_anomaly(500, 500, (333, 100, 334, 101))

    pseudo = PseudoAnomalies([anomaly], normals(dark(32, 32)), seed=0)

    assert all(pseudo.draw(0, index)[1].any() for index in range(20))


MASK = np.ones((8, 8), dtype=np.bool_)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (None, "scratch has no mask"),
        (MASK & False, "scratch.*empty"),
        (MASK[:4], r"\(4, 8\).*\(8, 8, 3\)"),
    ],
)
def test_anomalies_need_masks_that_fit(mask: NDArray[np.bool_] | None, message: str) -> None:
    anomaly = KnownAnomaly("scratch", dark(8, 8), mask)

    with pytest.raises(ValueError, match=message):
        PseudoAnomalies([anomaly], normals(dark(8, 8)), seed=0)


def test_at_least_one_anomaly_and_one_normal_image_are_needed() -> None:
    anomaly = KnownAnomaly("scratch", dark(8, 8), MASK)

    with pytest.raises(ValueError, match="0 known anomalies and 1 normal"):
        PseudoAnomalies([], normals(dark(8, 8)), seed=0)
    with pytest.raises(ValueError, match="1 known anomalies and 0 normal"):
        PseudoAnomalies([anomaly], normals(), seed=0)


def test_real_broken_cookies_are_pasted_onto_whole_ones(shared_data: Path) -> None:
    dataset = open_dataset(shared_data / "cookie")
    broken = next(sample for sample in dataset.test if sample.is_anomalous)
    image = broken.image()
    whole = [sample.image() for sample in dataset.train[:3]]
    known = KnownAnomaly(broken.name, image, broken.mask(*image.shape[:2]))
    pseudo = PseudoAnomalies([known], normals(*whole), seed=0)

    for index in range(6):
        drawn, mask = pseudo.draw(0, index)
        target = min(whole, key=lambda one: int(changed(one, drawn).sum()))
        # Pixels may be equal by chance, but none outside the mask may differ.
        assert not (changed(target, drawn) & ~mask).any()
        assert changed(target, drawn)[mask].mean() > 0.9
