"""From images of any size to a batch of the input size; the same for training and scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def to_batch(images: Sequence[NDArray[np.uint8]], height: int, width: int) -> NDArray[np.uint8]:
    """Resize (H, W, 3) RGB images, each of its own size, to one (B, height, width, 3) batch.

    The whole image is taken, without a crop: a defect at the border counts. Sides are not kept in
    proportion.

    Raises:
        ShapeError: if an image is not (H, W, 3) uint8.
    """
    batch = np.empty((len(images), height, width, 3), dtype=np.uint8)
    for image, target in zip(images, batch, strict=True):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ShapeError(f"image is {image.dtype} {image.shape}, expected uint8 (H, W, 3)")
        # Averaging over the area keeps thin scratches that sampling would step over.
        shrinks = image.shape[0] * image.shape[1] > height * width
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        cv2.resize(image, (width, height), dst=target, interpolation=method)
    return batch
