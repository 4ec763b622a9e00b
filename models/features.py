"""Patch embeddings: feature levels with their 3 x 3 neighbourhood, joined on the finest grid.

Every aggregation here is linear in the features, so each level is one fixed convolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.backbone import Backbone
    from models.embedder import Aggregation

_NEIGHBOURS = 9


class OfficialAggregation(nn.Module):
    """Neighbourhood features, pooled along the channels to one width, as the released code does.

    There each level is unfolded (3 x 3, zero-padded, channel-major), each unfolded vector
    adaptively averaged to `width`, the levels joined, and the joined vector averaged to `width`
    again. Both averages are linear: the same numbers come from one convolution a level, with
    constant weights, summed.

    Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, and its
    released code.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """Prepare for levels of `channels` features, finest first, and embeddings of `width`."""
        super().__init__()
        #: Size D of an embedding.
        self.width = width
        join = pooling_matrix(len(channels) * width, width)
        for level, count in enumerate(channels):
            own = join[:, level * width : (level + 1) * width]
            weight = own @ pooling_matrix(count * _NEIGHBOURS, width)  # (D, channels * 9)
            self.register_buffer(f"weight_{level}", weight.reshape(width, count, 3, 3).float())

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Embed (B, C, h, w) levels, finest first, as (B, D, h, w) on the finest grid."""
        # Upsampling after the convolution: the released code interpolates unfolded neighbourhoods.
        total = F.conv2d(levels[0], self.get_buffer("weight_0"), padding=1)
        for index, level in enumerate(levels[1:], start=1):
            pooled = F.conv2d(level, self.get_buffer(f"weight_{index}"), padding=1)
            total = total + _enlarge(pooled, levels[0])
        return total


class MeanAggregation(nn.Module):
    """Mean over 3 x 3 neighbours, channels of all levels side by side; zeros outside count."""

    def __init__(self, channels: Sequence[int]) -> None:
        """Prepare for levels of `channels` features."""
        super().__init__()
        #: Size D of an embedding.
        self.width = sum(channels)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Embed (B, C, h, w) levels, finest first, as (B, D, h, w) on the finest grid."""
        pooled = [F.avg_pool2d(level, 3, stride=1, padding=1) for level in levels]
        return torch.cat([pooled[0], *(_enlarge(level, pooled[0]) for level in pooled[1:])], dim=1)


class EmbeddingGraph(nn.Module):
    """From camera pixels to patch embeddings in one graph, for any runtime."""

    def __init__(self, backbone: Backbone, aggregation: Aggregation, width: int) -> None:
        """Join a backbone and an aggregation; `width` counts for `official` only."""
        super().__init__()
        self.backbone = backbone
        self.aggregation = (
            OfficialAggregation(backbone.channels, width)
            if aggregation == "official"
            else MeanAggregation(backbone.channels)
        )
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (B, H, W, 3) RGB pixels, 0 to 255, as (B, h, w, D)."""
        embeddings: Tensor = self.aggregation(self.backbone(images))
        return embeddings.permute(0, 2, 3, 1)


class LevelsGraph(nn.Module):
    """From camera pixels to the backbone's levels, each by itself, for any runtime."""

    def __init__(self, backbone: Backbone, neighbourhood: int = 1) -> None:
        """Give all levels of `backbone`, as `neighbourhood_means` of that side."""
        super().__init__()
        self.backbone = backbone
        self.neighbourhood = neighbourhood
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Extract (B, H, W, 3) RGB pixels, 0 to 255, as one (B, h, w, C) a level, finest first."""
        levels = neighbourhood_means(self.backbone(images), self.neighbourhood)
        return tuple(level.permute(0, 2, 3, 1) for level in levels)


def neighbourhood_means(levels: Sequence[Tensor], side: int) -> list[Tensor]:
    """The mean of `side` x `side` neighbours, those inside the level, at each position.

    Args:
        levels: (B, C, h, w) each.
        side: odd; 1 gives the levels as they are.
    """
    if side == 1:
        return list(levels)
    return [
        F.avg_pool2d(level, side, stride=1, padding=side // 2, count_include_pad=False)
        for level in levels
    ]


def pooling_matrix(inputs: int, outputs: int) -> Tensor:
    """The matrix (outputs, inputs) of adaptive average pooling, in float64.

    Output i is the mean of inputs floor(i * inputs / outputs) up to ceil((i + 1) * inputs /
    outputs).
    """
    matrix = torch.zeros(outputs, inputs, dtype=torch.float64)
    for row in range(outputs):
        start = row * inputs // outputs
        stop = -(-(row + 1) * inputs // outputs)
        matrix[row, start:stop] = 1 / (stop - start)
    return matrix


def _enlarge(level: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(level, size=like.shape[-2:], mode="bilinear", align_corners=False)
