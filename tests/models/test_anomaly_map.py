"""Anomaly maps from patch scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from models.anomaly_map import enlarge
from models.errors import ShapeError


@pytest.mark.parametrize("size", [(64, 96), (50, 37)])
def test_map_is_the_bilinear_enlargement_smoothed_as_scipy_does(size: tuple[int, int]) -> None:
    grid = np.random.default_rng(0).random((3, 8, 12), dtype=np.float32) * 100

    maps = enlarge(grid, *size, sigma=4.0)

    tensor = torch.from_numpy(grid)[:, None]
    bilinear = F.interpolate(tensor, size=size, mode="bilinear", align_corners=False)[:, 0]
    expected = [gaussian_filter(one, sigma=4.0, truncate=4.0) for one in bilinear.double().numpy()]
    np.testing.assert_allclose(maps, expected, rtol=1e-5)
    assert maps.dtype == np.float32


def test_a_sigma_of_zero_leaves_the_smoothing_out() -> None:
    maps = enlarge(np.array([[[0.0, 4.0]]], dtype=np.float32), 1, 4, sigma=0)

    # Cell centres at 1/4 and 3/4: the four pixels are at 0 (held), 1/4, 3/4 and 1 (held) between.
    np.testing.assert_allclose(maps, [[[0.0, 1.0, 3.0, 4.0]]], atol=1e-6)


def test_patch_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected \(B, h, w\)"):
        enlarge(np.zeros((4, 4), dtype=np.float32), 8, 8)
