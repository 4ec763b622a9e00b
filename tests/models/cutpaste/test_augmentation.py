"""CutPaste's pasted patches and scars."""

from __future__ import annotations

import numpy as np
import pytest

from models.cutpaste.augmentation import cut_paste, cut_paste_scar

SIZE = 64


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("seed", range(10))
def test_a_patch_of_the_image_lies_at_another_place(seed: int) -> None:
    image = picture(seed)

    pasted = cut_paste(image, np.random.default_rng(seed), patch_jitter=0.0)

    changed = (pasted != image).any(axis=2)
    rows, columns = changed.any(axis=1).nonzero()[0], changed.any(axis=0).nonzero()[0]
    box = pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # Of random colours every pixel of the patch changes, also where patch and source overlap.
    windows = np.lib.stride_tricks.sliding_window_view(image, box.shape)
    assert (windows == box).all(axis=(3, 4, 5)).any()
    assert changed.sum() == box.shape[0] * box.shape[1]


@pytest.mark.parametrize("seed", range(10))
def test_a_scar_is_small_and_leaves_no_hole(seed: int) -> None:
    image = picture(seed)
    even = np.full_like(image, 90)

    scarred = cut_paste_scar(image, np.random.default_rng(seed), patch_jitter=0.0)

    assert 0 < (scarred != image).any(axis=2).sum() <= 30 * 30
    unseen = cut_paste_scar(even, np.random.default_rng(seed), patch_jitter=0.0)
    np.testing.assert_array_equal(unseen, even)


def test_a_scar_fits_into_a_tiny_image() -> None:
    for seed in range(20):
        scarred = cut_paste_scar(picture()[:9, :9], np.random.default_rng(seed), patch_jitter=0.1)
        assert scarred.shape == (9, 9, 3)
