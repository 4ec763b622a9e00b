"""Bringing patch embeddings to a scale on which one size of noise suits every backbone and set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.simplenet.parameters import ScalingKind

#: Patches that the statistics are taken from, at most.
_PATCHES = 60_000
#: Keeps a channel that never changes from being divided by nothing.
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Scaling:
    """The map x -> (x - mean) @ matrix, fixed before training."""

    #: (D,)
    mean: Tensor
    #: (D, D)
    matrix: Tensor

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Scale (N, D) embeddings."""
        return (embeddings - self.mean) @ self.matrix

    def to(self, device: str) -> Scaling:
        """The same on another device."""
        return Scaling(self.mean.to(device), self.matrix.to(device))


def choose_scaling(
    patches: NDArray[np.float16], kind: ScalingKind, *, shrinkage: float, seed: int
) -> Scaling:
    """Take a scaling from the embeddings of good images.

    Args:
        patches: (N, D), at least one.
        kind: `none` as in the paper; `standard` gives every channel mean 0 and variance 1;
            `whitened` also makes channels uncorrelated (ZCA: as close to `standard` as can be).
        shrinkage: added to the eigenvalues of the correlation, whose mean is 1, so that directions
            that hardly occur are not blown up to their noise; counts for `whitened` only.
        seed: of the choice of patches, where there are more than needed.
    """
    width = patches.shape[1]
    if kind == "none":
        return Scaling(torch.zeros(width), torch.eye(width))
    rows = np.random.default_rng(seed).permutation(len(patches))[:_PATCHES]
    sample = torch.from_numpy(patches[np.sort(rows)]).double()
    mean = sample.mean(dim=0)
    deviation = sample.std(dim=0, correction=0).clamp_min(_SMALLEST)
    matrix = torch.diag(1 / deviation)
    if kind == "whitened":
        standard = (sample - mean) / deviation
        matrix = matrix @ _whitening(standard.T @ standard / len(standard), shrinkage)
    return Scaling(mean.float(), matrix.float())


def _whitening(correlation: Tensor, shrinkage: float) -> Tensor:
    """The symmetric inverse root of a (D, D) correlation with `shrinkage` on its diagonal."""
    variances, directions = torch.linalg.eigh(correlation)
    # Rounding can leave the smallest a little below zero.
    scale = (variances.clamp_min(0) + shrinkage).rsqrt()
    whitening: Tensor = directions * scale @ directions.T
    return whitening
