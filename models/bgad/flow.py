"""The conditional normalizing flow of one feature level."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import AllInOneBlock
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bound on a coupling's log scale.
CLAMP = 1.9
#: Hidden units of a subnet for every one of its inputs.
_EXPANSION = 2


class ConditionalFlow(nn.Module):
    """Gives features of one level their log-likelihood, knowing where on the grid they are.

    All-in-one blocks: affine coupling whose subnet also sees the position's code, global scale and
    offset, and a fixed random rotation.

    Source: Yao et al., CVPR 2023, and its released code, on FrEIA 0.2.
    """

    def __init__(self, channels: int, *, blocks: int, position_channels: int, seed: int) -> None:
        """Start from random subnets and rotations.

        Args:
            channels: C of the features.
            blocks: how many all-in-one blocks.
            position_channels: size P of the position's code.
            seed: of rotations and subnets.
        """
        super().__init__()
        self.channels = channels
        with _seeded(seed):
            self.blocks = SequenceINN(channels)
            for _ in range(blocks):
                self.blocks.append(
                    AllInOneBlock,
                    cond=0,
                    cond_shape=(position_channels,),
                    subnet_constructor=_subnet,
                    affine_clamping=CLAMP,
                    global_affine_type="SOFTPLUS",
                    permute_soft=True,
                )

    def forward(self, features: Tensor, codes: Tensor) -> Tensor:
        """Log-likelihood per dimension, in nats, (N,), of (N, C) features at (N, P) codes."""
        latent, log_det = self.blocks(features, [codes])
        return log_likelihood(latent, log_det)


def log_likelihood(latent: Tensor, log_det: Tensor) -> Tensor:
    """Log-likelihood per dimension, in nats.

    Args:
        latent: (..., C), normally distributed if the flow is right.
        log_det: (...), log-determinant of the flow's Jacobian, in nats.

    Returns:
        (...): l = (-C / 2 ln(2 pi) - |z|^2 / 2 + log det) / C.
    """
    channels = latent.shape[-1]
    squares = latent.square().sum(dim=-1)
    return (log_det - squares / 2) / channels - math.log(2 * math.pi) / 2


def _subnet(inputs: int, outputs: int) -> nn.Module:
    hidden = _EXPANSION * inputs
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """FrEIA draws from the global generators: seed them, and leave them as they were."""
    before = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)
