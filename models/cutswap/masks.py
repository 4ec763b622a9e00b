"""The salient pixels of every training image, looked for once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.cutswap.layercam import layer_cam
from models.cutswap.saliency import choose_cluster, choose_top

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.classifier import Classifier
    from models.cutswap.parameters import CutSwapParameters
    from models.detector import Progress

#: Images whose maps are computed at once.
_BATCH = 8


@dataclass(frozen=True)
class SalientPixels:
    """Boolean masks, eight pixels a byte: 40 KiB an image for five maps of 256 x 256."""

    #: (images, maps, bytes).
    packed: NDArray[np.uint8]
    #: H and W of a mask.
    size: tuple[int, int]
    #: How many maps gave no pair of salient pixels, so that all their pixels are taken.
    degenerate: int

    def mask(self, image: int, level: int) -> NDArray[np.bool_]:
        """The salient pixels of one map, (H, W)."""
        height, width = self.size
        bits = np.unpackbits(self.packed[image, level], count=height * width)
        return bits.astype(bool).reshape(height, width)


def find_salient_pixels(
    classifier: Classifier,
    images: NDArray[np.uint8],
    parameters: CutSwapParameters,
    *,
    seed: int,
    device: str,
    progress: Progress,
) -> SalientPixels:
    """Compute the maps of (N, H, W, 3) RGB images and keep which pixels are salient."""
    classifier = classifier.to(device)
    layers = classifier.levels(parameters.saliency_strides)
    size = images.shape[1], images.shape[2]
    packed = np.empty((len(images), len(layers), -(-size[0] * size[1] // 8)), np.uint8)
    degenerate = 0
    for start in range(0, len(images), _BATCH):
        batch = torch.from_numpy(images[start : start + _BATCH]).to(device)
        maps = layer_cam(
            classifier, batch, layers, size, tanh_levels=parameters.tanh_levels
        )  # (B, levels, H, W)
        for offset, of_image in enumerate(maps.cpu().numpy()):
            rng = np.random.default_rng([seed, start + offset])
            for level, saliency in enumerate(of_image):
                mask = salient_pixels(saliency, parameters, rng)
                degenerate += mask is None
                mask = np.ones(size, bool) if mask is None else mask
                packed[start + offset, level] = np.packbits(mask)
        progress("saliency", min(start + _BATCH, len(images)), len(images))
    return SalientPixels(packed, size, degenerate)


def salient_pixels(
    saliency: NDArray[np.float32], parameters: CutSwapParameters, rng: Generator
) -> NDArray[np.bool_] | None:
    """The salient pixels of a map, (H, W); None if it tells no two pixels from the others."""
    if not np.isfinite(saliency).all() or saliency.max() <= saliency.min():
        return None
    if parameters.selection == "sorting":
        mask = choose_top(saliency, parameters.sorted_pixels)
    else:
        mask = choose_cluster(saliency, parameters.clusters, parameters.cluster, rng)
    return mask if mask.sum() >= 2 else None
