"""Samples as a training takes them: resized batches, and defects with masks that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from models.datasets import Sample
from models.errors import DatasetError
from models.preprocessing import to_batch
from models.training_data import known_anomaly, training_images

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Twenty pictures, each of its own size and of one grey value, its number times ten."""
    found = []
    for index in range(20):
        path = tmp_path / f"{index}.png"
        cv2.imwrite(str(path), np.full((20 + index, 30), 10 * index, dtype=np.uint8))
        found.append(Sample(path.name, path, "good", None, "train"))
    return found


def scratched(folder: Path, mask: NDArray[np.uint8] | None) -> Sample:
    image = np.full((40, 50), 90, dtype=np.uint8)
    cv2.imwrite(str(folder / "part.png"), image)
    if mask is not None:
        cv2.imwrite(str(folder / "part_mask.png"), mask)
    mask_path = None if mask is None else folder / "part_mask.png"
    return Sample("test/scratch/part.png", folder / "part.png", "scratch", mask_path, "test")


def test_batches_hold_all_images_in_order_and_resized(samples: list[Sample]) -> None:
    images = training_images(samples, 16, 24)

    for _ in range(2):  # they may be gone through more than once
        batch = np.concatenate(list(images.batches()))
        assert batch.shape == (20, 16, 24, 3) == (images.count, 16, 24, 3)
        assert batch[:, 0, 0, 0].tolist() == [10 * index for index in range(20)]


def test_one_image_is_read_in_its_own_size(samples: list[Sample]) -> None:
    images = training_images(samples, 16, 24)

    image = images.read(7)

    assert image.shape == (27, 30, 3)
    assert (image == 70).all()


def test_a_batch_is_what_scoring_makes_of_the_images(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), noise)
    images = training_images([Sample("a", tmp_path / "a.png", "good", None, "train")], 32, 32)

    (batch,) = images.batches()

    np.testing.assert_array_equal(batch, to_batch([images.read(0)], 32, 32))


def test_an_image_that_cannot_be_read_is_named(samples: list[Sample]) -> None:
    samples[13].path.write_bytes(samples[13].path.read_bytes()[:40])

    with pytest.raises(DatasetError, match=r"13\.png"):
        list(training_images(samples, 16, 24).batches())


def test_a_pass_may_be_left_early(samples: list[Sample]) -> None:
    for first in training_images(samples, 16, 24).batches():
        assert len(first) == 8
        break


def test_a_known_anomaly_has_its_image_and_its_mask(tmp_path: Path) -> None:
    mask = np.zeros((40, 50), dtype=np.uint8)
    mask[3:9, 10:40] = 255

    known = known_anomaly(scratched(tmp_path, mask))

    assert known.name == "test/scratch/part.png"
    assert known.image.shape == (40, 50, 3)
    assert known.mask is not None
    np.testing.assert_array_equal(known.mask, mask > 0)


def test_a_known_anomaly_may_have_no_mask(tmp_path: Path) -> None:
    assert known_anomaly(scratched(tmp_path, None)).mask is None


def test_an_empty_mask_is_named_with_what_to_do(tmp_path: Path) -> None:
    sample = scratched(tmp_path, np.zeros((40, 50), dtype=np.uint8))

    with pytest.raises(DatasetError, match=r"part_mask\.png marks no pixel.*draw the defect"):
        known_anomaly(sample)


def test_a_mask_of_another_size_is_named_with_both_sizes(tmp_path: Path) -> None:
    sample = scratched(tmp_path, np.full((50, 40), 255, dtype=np.uint8))

    with pytest.raises(DatasetError, match=r"part_mask\.png has 50 x 40 .* has 40 x 50"):
        known_anomaly(sample)


def test_a_mask_that_is_no_picture_is_named(tmp_path: Path) -> None:
    sample = scratched(tmp_path, np.full((40, 50), 255, dtype=np.uint8))
    (tmp_path / "part_mask.png").write_text("drawn later")

    with pytest.raises(DatasetError, match=r"part_mask\.png"):
        known_anomaly(sample)
