"""SimpleNet's loss: a hinge that stops pushing once a patch is on its side by the margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def truncated_l1(real: Tensor, fake: Tensor, margin: float) -> Tensor:
    """How far patches are from being told apart.

    Args:
        real: (N,), the discriminator's word on good patches; wanted at least `margin`.
        fake: (M,), the same on patches with noise; wanted at most -`margin`.
        margin: >= 0; the paper's th+ is `margin` and its th- is -`margin`.

    Returns:
        One number, >= 0: the mean over good patches plus the mean over those with noise.

    Source: Liu et al., "SimpleNet: A Simple Network for Image Anomaly Detection and Localization",
    CVPR 2023, section 3.5.
    """
    return F.relu(margin - real).mean() + F.relu(margin + fake).mean()
