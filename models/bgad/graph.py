"""From camera pixels to BGAD's score map in one graph.

Everything that does not depend on the image is worked out beforehand: the code of a position
enters a subnet's first layer linearly, one half by the column, the other by the row, so it adds up
to one vector a column and one a row; global scale, offset and rotation are one linear map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.bgad.flow import CLAMP, log_likelihood
from models.features import neighbourhood_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.backbone import Backbone
    from models.bgad.level import LevelFlow
    from models.bgad.parameters import BgadParameters

#: FrEIA scales a subnet's output by it.
_SUBNET_SCALE = 0.1
#: Stands for the logarithm of 0.
_LOG_ZERO = -1e30


class ScoreGraph(nn.Module):
    """Score map of images: minus the log of how likely their levels are, taken together.

    Source: Yao et al., CVPR 2023, and its released code, which takes the maximum over the test set
    of the levels' sum minus the sum; its logarithm ranks the same, and keeps apart what 32-bit
    floats would tie.
    """

    def __init__(
        self,
        backbone: Backbone,
        levels: Sequence[LevelFlow],
        maxima: Sequence[float],
        parameters: BgadParameters,
    ) -> None:
        """Join them.

        Args:
            backbone: cut at the levels' strides.
            levels: trained flows, finest first.
            maxima: largest log-likelihood of held-out good images, of each level.
            parameters: the size (H, W) of images and map, and what the flows were given.
        """
        super().__init__()
        self.backbone = backbone
        self.neighbourhood = parameters.neighbourhood
        height, width = parameters.input_size
        self.head = LikelihoodMap(levels, maxima, height, width)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        """Score (B, H, W, 3) RGB pixels, 0 to 255, as a map (B, H, W)."""
        scores: Tensor = self.head(neighbourhood_means(self.backbone(images), self.neighbourhood))
        return scores


class LikelihoodMap(nn.Module):
    """From feature levels to the score map."""

    #: Half precision would break exponentials and determinants.
    full_precision = True

    def __init__(
        self, levels: Sequence[LevelFlow], maxima: Sequence[float], height: int, width: int
    ) -> None:
        """See `ScoreGraph`; maps are (height, width)."""
        super().__init__()
        self._levels = nn.ModuleList(_FixedLevel(level) for level in levels)
        self._maxima = [float(maximum) for maximum in maxima]
        self._enlargers = nn.ModuleList(LogUpsample(level.grid, height, width) for level in levels)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Score (B, C, h, w) levels, finest first, as (B, H, W): -log sum exp(l - maximum)."""
        maps = [
            enlarge(fixed(features.float()) - maximum)
            for fixed, enlarge, maximum, features in zip(
                self._levels, self._enlargers, self._maxima, levels, strict=True
            )
        ]
        return -torch.logsumexp(torch.stack(maps), dim=0)


class LogUpsample(nn.Module):
    """Bilinear upsampling of exp(x), corners aligned, in logarithms from end to end."""

    def __init__(self, grid: tuple[int, int], height: int, width: int) -> None:
        """From a `grid` of (h, w) cells to (height, width)."""
        super().__init__()
        for axis, cells, size in zip(("rows", "columns"), grid, (height, width), strict=True):
            places = torch.linspace(0, cells - 1, size, dtype=torch.float64)
            before = places.floor().long().clamp(max=max(cells - 2, 0))
            share = places - before
            self.register_buffer(f"{axis}_before", before, persistent=False)
            self.register_buffer(
                f"{axis}_after", (before + 1).clamp(max=cells - 1), persistent=False
            )
            self.register_buffer(f"{axis}_near", _log(1 - share), persistent=False)
            self.register_buffer(f"{axis}_far", _log(share), persistent=False)

    def forward(self, logarithms: Tensor) -> Tensor:
        """Enlarge (B, h, w) to (B, H, W)."""
        return self._along("columns", 2, self._along("rows", 1, logarithms))

    def _along(self, axis: str, dim: int, values: Tensor) -> Tensor:
        """Interpolate one axis: log(exp(a) + exp(b)) of its two neighbours, weights included."""
        shape = (-1, 1) if dim == 1 else (-1,)
        a = values.index_select(dim, self.get_buffer(f"{axis}_before"))
        b = values.index_select(dim, self.get_buffer(f"{axis}_after"))
        a = a + self.get_buffer(f"{axis}_near").reshape(shape)
        b = b + self.get_buffer(f"{axis}_far").reshape(shape)
        return torch.maximum(a, b) + torch.log1p(torch.exp(-(a - b).abs()))


class _FixedLevel(nn.Module):
    """A trained `LevelFlow` on whole feature maps."""

    mean: Tensor
    scale: Tensor

    def __init__(self, level: LevelFlow) -> None:
        super().__init__()
        self.register_buffer("mean", level.mean.clone(), persistent=False)
        self.register_buffer("scale", level.scale.clone(), persistent=False)
        height, width = level.grid
        codes = level.codes.reshape(height, width, -1)
        self._blocks = nn.ModuleList(_FixedBlock(block, codes) for block in level.flow.blocks)

    def forward(self, features: Tensor) -> Tensor:
        """Log-likelihood per dimension (B, h, w) of (B, C, h, w) features."""
        values = (features.permute(0, 2, 3, 1) - self.mean) @ self.scale
        log_det = torch.zeros((), device=values.device)
        for block in self._blocks:
            values, more = block(values)
            log_det = log_det + more
        return log_likelihood(values, log_det)


class _FixedBlock(nn.Module):
    """One of FrEIA's trained `AllInOneBlock`s on whole feature maps."""

    def __init__(self, block: Any, codes: Tensor) -> None:
        """Work out what only depends on the position, for (h, w, P) `codes`."""
        super().__init__()
        passive = block.splits[0]
        first, _, second = block.subnet
        half = codes.shape[2] // 2
        from_features, from_column, from_row = first.weight.split([passive, half, half], dim=1)
        scale = block.global_scale_activation(block.global_scale)[0]  # (C,)
        constants = {
            "first": from_features.T,
            # Every row holds the same columns, and the other way round.
            "columns": codes[0, :, :half] @ from_column.T + first.bias,  # (w, hidden)
            "rows": (codes[:, 0, half:] @ from_row.T)[:, None],  # (h, 1, hidden)
            "second": _SUBNET_SCALE * second.weight.T,
            "second_bias": _SUBNET_SCALE * second.bias,
            "mix": scale[:, None] * block.w_perm.T,  # (C, C)
            "mix_bias": block.global_offset[0] @ block.w_perm.T,
            "log_scale": scale.log().sum(),
        }
        for name, value in constants.items():
            self.register_buffer(name, value.detach().clone(), persistent=False)
        self._sizes = list(block.splits)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Transform (B, h, w, C); also gives the log-determinant, (B, h, w)."""
        passive, active = torch.split(values, self._sizes, dim=-1)
        # In this order nothing of size (h, w, hidden) is folded into the graph as a constant.
        hidden = passive @ self.get_buffer("first") + self.get_buffer("columns")
        hidden = F.relu(hidden + self.get_buffer("rows"))
        output = hidden @ self.get_buffer("second") + self.get_buffer("second_bias")
        raw_scale, shift = output.chunk(2, dim=-1)
        log_scale = CLAMP * torch.tanh(raw_scale)
        joined = torch.cat([passive, active * log_scale.exp() + shift], dim=-1)
        mixed = joined @ self.get_buffer("mix") + self.get_buffer("mix_bias")
        return mixed, log_scale.sum(dim=-1) + self.get_buffer("log_scale")


def _log(shares: Tensor) -> Tensor:
    return shares.log().clamp_min(_LOG_ZERO).float()
