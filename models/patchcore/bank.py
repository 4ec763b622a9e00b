"""From training images to the memory bank: the patches worth keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.errors import ModelError
from models.feature_cache import half_precision_room
from models.patchcore.coreset import greedy_coreset, random_projection
from models.patchcore.memory_bank import MemoryBank

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from models.detector import Progress, TrainingImages
    from models.patchcore.parameters import PatchCoreParameters
    from models.runtime import Device

    Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

#: Of projected patches, as a share of the root mean square of their embeddings.
_LEAST_SPREAD = 1e-3


def build_bank(
    embed: Embed,
    images: TrainingImages,
    parameters: PatchCoreParameters,
    *,
    seed: int,
    device: Device,
    progress: Progress,
    before: MemoryBank | None = None,
    known: int = 0,
) -> MemoryBank:
    """Choose the coreset of all training patches, or of new ones and those of a bank.

    The images are embedded twice, once to choose and once to fetch what was chosen: between the two
    only the projections are held, 256 bytes a patch, however wide the embeddings are.

    Args:
        embed: gives (B, h, w, D) embeddings of (B, H, W, 3) images.
        images: the new ones.
        parameters: how large the bank is to be, and how it is chosen.
        seed: of the projection and of the choice's start.
        device: where the choice is made.
        progress: told of features, coreset and memory bank.
        before: a bank to extend. It stands for the images it came from, which are not needed: where
            it has reached its limit, what is most redundant in old and new is left out.
        known: how many images `before` came from.

    Raises:
        ModelError: if there are no images.
    """
    old = None if before is None else before.rows
    points, new = _project_patches(embed, images, old, parameters, seed, progress)
    count = parameters.bank_size(new, before=len(points) - new)
    points = points.to(device)
    chosen = greedy_coreset(
        points,
        count,
        seed=seed,
        start_points=parameters.start_points,
        on_chosen=lambda done: progress("coreset", done, count),
    ).numpy()
    del points
    is_new = chosen < new
    fetched = _fetch(embed, images, chosen[is_new], progress)
    rows = np.empty((len(chosen), fetched.shape[1]), dtype=np.float32)
    source = np.empty(len(chosen), dtype=np.int32)
    rows[is_new] = fetched
    source[is_new] = known + chosen[is_new] // (new // images.count)
    if before is not None:
        kept = chosen[~is_new] - new
        rows[~is_new], source[~is_new] = before.rows[kept], before.source[kept]
    return MemoryBank(rows, source)


def _project_patches(
    embed: Embed,
    images: TrainingImages,
    old: NDArray[np.float32] | None,
    parameters: PatchCoreParameters,
    seed: int,
    progress: Progress,
) -> tuple[Tensor, int]:
    """All patches in few dimensions, (N, projection_width) float16; and how many are new.

    The new ones come first, then the `old` ones, (M, D).
    """
    points, done, end = torch.empty(0), 0, 0
    known = [] if old is None else [torch.from_numpy(old)]
    for batch in images.batches():
        embeddings = embed(batch)  # (B, h, w, D)
        patches = torch.from_numpy(embeddings).flatten(0, 2)  # (B * h * w, D)
        if done == 0:
            project = _projection(torch.cat([*known, patches]), parameters, seed)
            new = images.count * (len(patches) // len(batch))
            shape = (new + sum(map(len, known)), parameters.projection_width)
            points = torch.from_numpy(half_precision_room(shape))
        points[end : end + len(patches)] = project(patches)
        end += len(patches)
        done += len(batch)
        progress("features", done, images.count)
    if end == 0 or end != new:
        raise ModelError(f"expected {images.count} training images, at least one, and got {done}")
    for rows in known:
        points[new:] = project(rows)
    return points, new


def _projection(
    sample: Tensor, parameters: PatchCoreParameters, seed: int
) -> Callable[[Tensor], Tensor]:
    """To `projection_width` dimensions, with a (P, D) sample's mean at 0 and its spread at 1."""
    centre = sample.mean(dim=0)
    projection = random_projection(sample.shape[1], parameters.projection_width, seed=seed)
    # Which patches are far does not depend on the scale; half precision has a range, which other
    # patches would leave if those of the sample were all alike.
    spread = float(((sample - centre) @ projection).std())
    least = _LEAST_SPREAD * float(sample.square().mean().sqrt())
    projection /= max(spread, least) or 1.0
    return lambda patches: (patches - centre) @ projection


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
