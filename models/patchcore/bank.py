"""The memory bank: from training images to the patches worth keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.errors import ModelError
from models.feature_cache import half_precision_room
from models.patchcore.coreset import greedy_coreset, random_projection

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from models.detector import Progress, TrainingImages
    from models.patchcore.parameters import PatchCoreParameters
    from models.runtime import Device

    Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def build_bank(
    embed: Embed,
    images: TrainingImages,
    parameters: PatchCoreParameters,
    *,
    seed: int,
    device: Device,
    progress: Progress,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Choose the coreset of all training patches.

    The images are embedded twice, once to choose and once to fetch what was chosen: between the two
    only the projections are held, 256 bytes a patch, however wide the embeddings are.

    Returns:
        The bank, (M, D), and which training patches it holds, (M,), both in the order of choice.

    Raises:
        ModelError: if there are no images.
    """
    points = _project_patches(embed, images, parameters, seed, progress).to(device)
    count = parameters.bank_size(len(points))
    chosen = greedy_coreset(
        points,
        count,
        seed=seed,
        start_points=parameters.start_points,
        on_chosen=lambda done: progress("coreset", done, count),
    ).numpy()
    del points
    return _fetch(embed, images, chosen, progress), chosen


def _project_patches(
    embed: Embed,
    images: TrainingImages,
    parameters: PatchCoreParameters,
    seed: int,
    progress: Progress,
) -> Tensor:
    """All training patches in few dimensions, (N, projection_width) float16."""
    points, done, end = torch.empty(0), 0, 0
    for batch in images.batches():
        embeddings = embed(batch)  # (B, h, w, D)
        patches = torch.from_numpy(embeddings).flatten(0, 2)  # (B * h * w, D)
        if done == 0:
            centre = patches.mean(dim=0)
            projection = random_projection(patches.shape[1], parameters.projection_width, seed=seed)
            # Which patches are far does not depend on the scale; half precision has a range.
            projection /= ((patches - centre) @ projection).std().clamp_min(1e-12)
            per_image = patches.shape[0] // len(batch)
            shape = (images.count * per_image, parameters.projection_width)
            points = torch.from_numpy(half_precision_room(shape))
        points[end : end + len(patches)] = (patches - centre) @ projection
        end += len(patches)
        done += len(batch)
        progress("features", done, images.count)
    if end == 0 or end != len(points):
        raise ModelError(f"expected {images.count} training images, at least one, and got {done}")
    return points


def _fetch(
    embed: Embed, images: TrainingImages, chosen: NDArray[np.int64], progress: Progress
) -> NDArray[np.float32]:
    """The embeddings of the chosen patches, in the order of choice."""
    order = np.argsort(chosen)
    ascending = chosen[order]
    rows, start, done = [], 0, 0
    for batch in images.batches():
        embeddings = embed(batch)
        patches = embeddings.reshape(-1, embeddings.shape[-1])
        first, last = np.searchsorted(ascending, [start, start + len(patches)])
        rows.append(patches[ascending[first:last] - start])
        start += len(patches)
        done += len(batch)
        progress("memory bank", done, images.count)
    bank = np.empty((len(chosen), rows[0].shape[1]), dtype=np.float32)
    bank[order] = np.concatenate(rows)
    return bank
