"""SimpleNet's anomalies: good patches, disturbed in feature space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from models.simplenet.parameters import NoiseKind


def disturb(
    patches: Tensor,
    kind: NoiseKind,
    smallest: float,
    largest: float,
    generator: torch.Generator,
) -> Tensor:
    """Make anomalous patches of good, adapted ones.

    Args:
        patches: (N, D).
        kind: `gaussian` as in the paper, independent in every element; `differences` between two
            random patches of the batch instead, divided by the root of two: as large in every
            channel as the patches themselves vary, and as heavy-tailed.
        smallest: what the noise is multiplied with; for `gaussian` its standard deviation.
        largest: where it is greater, each patch draws its own factor between the two, evenly in
            its logarithm.
        generator: on the device of `patches`.

    Returns:
        (N, D); gradients reach `patches`.

    Source: Liu et al., "SimpleNet: A Simple Network for Image Anomaly Detection and Localization",
    CVPR 2023, section 3.3, where the noise is Gaussian and of one standard deviation.
    """
    place = torch.rand((len(patches), 1), generator=generator, device=patches.device)
    factor = smallest * (largest / smallest) ** place  # (N, 1)
    if kind == "gaussian":
        noise = torch.randn(patches.shape, generator=generator, device=patches.device)
    else:
        noise = _differences(patches, generator)
    return patches + factor * noise


def _differences(patches: Tensor, generator: torch.Generator) -> Tensor:
    one, other = (
        torch.randperm(len(patches), generator=generator, device=patches.device) for _ in range(2)
    )
    difference: Tensor = (patches[one] - patches[other]) * 0.5**0.5
    return difference
