"""Patch embeddings against the slow way the released code takes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.features import (
    MeanAggregation,
    OfficialAggregation,
    neighbourhood_means,
    pooling_matrix,
)


def unfold_and_pool(levels: list[torch.Tensor], width: int) -> torch.Tensor:
    """The released code's steps, one by one: unfold, upsample, pool, stack, pool."""
    height, breadth = levels[0].shape[-2:]
    vectors = []
    for level in levels:
        count, channels, rows, columns = level.shape
        patches = F.unfold(level, kernel_size=3, padding=1)  # (B, C * 9, h * w), channel-major
        patches = patches.reshape(count, channels * 9, rows, columns)
        if (rows, columns) != (height, breadth):
            patches = F.interpolate(patches, size=(height, breadth), mode="bilinear")
        flat = patches.permute(0, 2, 3, 1).reshape(-1, 1, channels * 9)
        vectors.append(F.adaptive_avg_pool1d(flat, width)[:, 0])
    stacked = torch.cat(vectors, dim=1)[:, None]  # (B * h * w, 1, levels * width)
    pooled = F.adaptive_avg_pool1d(stacked, width)[:, 0]
    return pooled.reshape(len(levels[0]), height, breadth, width).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("channels", "width"),
    [
        ((40, 112), 1024),  # EfficientNet-Lite0: 360 unfolded entries are stretched to 1,024
        ((128, 256), 1024),  # ResNet18: 1,152 and 2,304 do not divide
        ((8, 16), 36),
        ((5, 7, 3), 20),
        ((6,), 10),
    ],
)
def test_official_aggregation_equals_unfolding_and_pooling(
    channels: tuple[int, ...], width: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    levels = [
        torch.randn(2, count, 8 >> level, 12 >> level, generator=generator)
        for level, count in enumerate(channels)
    ]

    embeddings = OfficialAggregation(channels, width)(levels)

    torch.testing.assert_close(embeddings, unfold_and_pool(levels, width), atol=2e-6, rtol=1e-5)


def test_pooling_matrix_is_adaptive_average_pooling() -> None:
    # 5 inputs to 3 outputs: floor and ceil give the windows 0-1, 1-3, 3-4.
    expected = torch.tensor([[3, 3, 0, 0, 0], [0, 2, 2, 2, 0], [0, 0, 0, 3, 3]]) / 6

    torch.testing.assert_close(pooling_matrix(5, 3), expected.double())


def test_neighbourhood_means_count_only_what_lies_inside() -> None:
    level = torch.arange(12.0).reshape(1, 1, 3, 4)

    (means,) = neighbourhood_means([level], 3)

    # The corner has 0, 1, 4 and 5; row 1, column 2 has 1 to 3, 5 to 7 and 9 to 11.
    assert means[0, 0, 0, 0] == 2.5
    assert means[0, 0, 1, 2] == 6
    (alone,) = neighbourhood_means([level], 1)
    torch.testing.assert_close(alone, level)


def test_mean_aggregation_averages_neighbours_and_joins_channels() -> None:
    # A single 9 in the corner of a 2 x 2 level: every cell has it in its 3 x 3 window of nine.
    fine = torch.tensor([[[[9.0, 0.0], [0.0, 0.0]]]])
    coarse = torch.tensor([[[[18.0]], [[0.0]]]])

    embeddings = MeanAggregation((1, 2))([fine, coarse])

    expected = torch.tensor([1.0, 2.0, 0.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    torch.testing.assert_close(embeddings, expected)
