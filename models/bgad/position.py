"""Where on the feature grid a position is, as a code that a flow can be conditioned on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: The slowest wave is this many times longer than the fastest.
_LONGEST = 1e4


def axis_code(positions: int, width: int) -> Tensor:
    """Code the places along one axis.

    Args:
        positions: how many, 0 to positions - 1.
        width: size of the code; even.

    Returns:
        (positions, width): channels 2k and 2k + 1 are the sine and cosine of place * 10^(-8k /
        width), that is exp(-2k * ln(10^4) / width).
    """
    if width < 2 or width % 2:
        raise ValueError(f"width is {width}, expected an even number of at least 2")
    rates = torch.exp(-torch.arange(0, width, 2, dtype=torch.float64) * math.log(_LONGEST) / width)
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates  # (positions, width / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(positions, width).float()


def position_code(height: int, width: int, channels: int) -> Tensor:
    """Code every position of a grid, (height * width, channels), row by row.

    The first half of the channels codes the column, the second half the row; so `channels` is a
    multiple of four.

    Source: Yao et al., CVPR 2023, and its released code.
    """
    columns = axis_code(width, channels // 2)  # (width, channels / 2)
    rows = axis_code(height, channels // 2)
    grid = torch.cat([columns.expand(height, -1, -1), rows[:, None].expand(-1, width, -1)], dim=2)
    return grid.reshape(height * width, channels)
