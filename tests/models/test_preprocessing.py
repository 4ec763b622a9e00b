"""Images of any size to one batch."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ShapeError
from models.preprocessing import to_batch


def test_images_of_mixed_sizes_become_one_batch() -> None:
    rng = np.random.default_rng(0)
    sizes = [(300, 300), (64, 64), (1, 5), (64, 640)]
    images = [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for size in sizes]

    batch = to_batch(images, 64, 64)

    assert batch.shape == (4, 64, 64, 3)
    np.testing.assert_array_equal(batch[1], images[1])


def test_shrinking_averages_so_that_a_thin_scratch_is_not_stepped_over() -> None:
    image = np.zeros((256, 256, 3), dtype=np.uint8)
    image[:, 101] = 240  # one column of 240 among eight: 30 on average

    batch = to_batch([image], 32, 32)

    np.testing.assert_array_equal(batch[0, :, 12], np.full((32, 3), 30))
    assert batch.sum() == 32 * 3 * 30


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), dtype=np.uint8),
        np.zeros((8, 8, 4), dtype=np.uint8),
        np.zeros((8, 8, 3), dtype=np.float32),
        np.zeros((0, 8, 3), dtype=np.uint8),
    ],
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"expected uint8 \(H, W, 3\)"):
        to_batch([image], 8, 8)
