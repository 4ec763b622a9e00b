"""From a grid of patch scores to an anomaly map of the image's size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def enlarge(
    patch_scores: NDArray[np.float32], height: int, width: int, *, sigma: float = 4.0
) -> NDArray[np.float32]:
    """Enlarge patch scores bilinearly and smooth them with a Gaussian.

    Args:
        patch_scores: (B, h, w).
        height: H of the maps.
        width: W of the maps.
        sigma: of the Gaussian, in pixels of the map; its window ends at four sigma; 0 leaves it
            out.

    Returns:
        (B, H, W), same unit as the input.

    Raises:
        ShapeError: if `patch_scores` is not three-dimensional.

    Source: the released PatchCore code. Borders are mirrored with the edge pixel repeated, as SciPy
    does.
    """
    if patch_scores.ndim != 3:
        raise ShapeError(f"patch scores have shape {patch_scores.shape}, expected (B, h, w)")
    maps = np.empty((len(patch_scores), height, width), dtype=np.float32)
    window = 2 * int(4 * sigma + 0.5) + 1
    for grid, target in zip(patch_scores, maps, strict=True):
        cv2.resize(grid, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
        if sigma > 0:
            cv2.GaussianBlur(
                target, (window, window), sigma, dst=target, borderType=cv2.BORDER_REFLECT
            )
    return maps
