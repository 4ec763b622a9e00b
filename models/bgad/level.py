"""One feature level: its scaling, its flow, and the positions of its grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from models.bgad.flow import ConditionalFlow
from models.bgad.position import position_code
from models.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.bgad.constants import Constants
    from models.bgad.parameters import BgadParameters, Scaling

#: Positions that the scaling is taken from, at most.
_SCALING_SAMPLE = 100_000
#: Share of the mean variance that is added to every direction's: directions without any would be
#: blown up.
_REGULAR = 1e-3
_IMAGES_AT_ONCE = 8


class LevelFlow(nn.Module):
    """Log-likelihood of one level's features, as the backbone gives them."""

    mean: Tensor
    scale: Tensor
    codes: Tensor

    def __init__(
        self, channels: int, grid: tuple[int, int], parameters: BgadParameters, *, seed: int
    ) -> None:
        """Start with random weights and no scaling, for a `grid` of (h, w) cells."""
        super().__init__()
        self.grid = grid
        self.flow = ConditionalFlow(
            channels,
            blocks=parameters.blocks,
            position_channels=parameters.position_channels,
            seed=seed,
        )
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.eye(channels))
        codes = position_code(*grid, parameters.position_channels)
        self.register_buffer("codes", codes, persistent=False)

    @property
    def cells(self) -> int:
        """Positions of the grid, h * w."""
        return self.grid[0] * self.grid[1]

    def forward(self, features: Tensor, cells: Tensor) -> Tensor:
        """Log-likelihood per dimension, in nats.

        Args:
            features: (n, C), unscaled.
            cells: (n,) int, row * w + column of each.

        Returns:
            (n,). The scaling's constant determinant is left out.
        """
        likelihood: Tensor = self.flow(self.scaled(features), self.codes[cells])
        return likelihood

    def scaled(self, features: Tensor) -> Tensor:
        """What the flow is given of (n, C) features."""
        return (features - self.mean) @ self.scale

    @torch.no_grad()
    def fit_scaling(self, features: NDArray[np.float16], kind: Scaling, *, seed: int) -> None:
        """Take the scaling from (images, h, w, C) features of normal images."""
        if kind == "none":
            return
        flat = features.reshape(-1, features.shape[-1])
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.permutation(len(flat))[:_SCALING_SAMPLE])
        sample = torch.from_numpy(flat[rows]).double()
        covariance = torch.cov(sample.T, correction=0).reshape(2 * (sample.shape[1],))
        self.mean.copy_(sample.mean(dim=0))
        self.scale.copy_(_scale(covariance, kind))

    @torch.no_grad()
    def maps(self, features: NDArray[np.float16]) -> Tensor:
        """Log-likelihoods (images, h, w) of whole images' (images, h, w, C) features."""
        cells = torch.arange(self.cells)
        parts = []
        for start in range(0, len(features), _IMAGES_AT_ONCE):
            batch = torch.from_numpy(features[start : start + _IMAGES_AT_ONCE]).to(self.mean)
            every = cells.repeat(len(batch)).to(batch.device)
            parts.append(self(batch.flatten(0, 2), every).reshape(-1, *self.grid).cpu())
        return torch.cat(parts)


def build_levels(
    channels: Sequence[int], parameters: BgadParameters, *, seed: int = 0
) -> list[LevelFlow]:
    """Untrained flows, finest level first.

    Args:
        channels: of each level.
        parameters: of the flows.
        seed: of weights and rotations; of no account where others are then read.
    """
    height, width = parameters.input_size
    # A backbone rounds up where a side is odd.
    grids = [(-(-height // stride), -(-width // stride)) for stride in parameters.strides]
    return [
        # Far apart: no level starts like one of another seed.
        LevelFlow(count, grid, parameters, seed=1000 * seed + level)
        for level, (count, grid) in enumerate(zip(channels, grids, strict=True))
    ]


def levels_to_bytes(levels: Sequence[LevelFlow], constants: Constants) -> bytes:
    """Flows, scalings and constants as safetensors; the same for the same values."""
    tensors = {
        "maxima": torch.tensor(constants.maxima, dtype=torch.float64),
        "boundaries": torch.tensor(constants.boundaries, dtype=torch.float64),
    }
    for index, level in enumerate(levels):
        for name, value in level.state_dict().items():
            tensors[f"levels.{index}.{name}"] = value.cpu().contiguous()
    return save(tensors)


def restore_levels(
    channels: Sequence[int], parameters: BgadParameters, stored: bytes
) -> list[LevelFlow]:
    """Rebuild flows from what `levels_to_bytes` gave.

    Raises:
        ArtifactError: if they are other flows.
    """
    levels = build_levels(channels, parameters)
    tensors = load(stored)
    for index, level in enumerate(levels):
        start = f"levels.{index}."
        own = {
            name.removeprefix(start): value
            for name, value in tensors.items()
            if name.startswith(start)
        }
        try:
            level.load_state_dict(own)
        except RuntimeError as exc:
            raise ArtifactError(
                f"the stored flows are not those of the manifest's hyper-parameters: "
                f"{str(exc).splitlines()[0]}; train the model again with this version"
            ) from exc
    return levels


def _scale(covariance: Tensor, kind: Scaling) -> Tensor:
    """The matrix (C, C) that makes variances 1 and, by `whiten`, covariances 0."""
    variances, directions = torch.linalg.eigh(covariance)
    floor = _REGULAR * variances.mean()
    if kind == "channel":
        return torch.diag((covariance.diagonal() + floor).rsqrt())
    whitening: Tensor = directions * (variances.clamp_min(0) + floor).rsqrt()
    return whitening
