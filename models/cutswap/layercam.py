"""LayerCAM: where a classifier looks, at several levels with one backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

#: gamma of the paper's tanh, which lifts weak responses of fine levels.
_TANH_GAMMA = 2.0


def layer_cam(
    net: nn.Module,
    inputs: Tensor,
    layers: Sequence[nn.Module],
    size: tuple[int, int],
    *,
    tanh_levels: int = 0,
) -> Tensor:
    """Maps of what speaks for the class that the classifier finds most likely.

    M = ReLU(sum over channels k of ReLU(dy / dA_k) * A_k), A a level's activation, y the largest
    logit.

    Args:
        net: the classifier, in eval mode.
        inputs: what it takes, B of them.
        layers: modules of `net` that give the levels, finest first.
        size: height and width of the maps.
        tanh_levels: that many of the finest levels are rescaled by tanh(2 M / max M), as the paper
            does and the released code does not.

    Returns:
        (B, levels, H, W), each map from 0 to 1; all 0 where nothing speaks for the class.

    Source: Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization",
    TIP 2021, and its released code.
    """
    activations: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        # A frozen net gives the first level no gradient to end at; what lies before needs none.
        level = output if output.requires_grad else output.detach().requires_grad_()
        activations.append(level)
        return level

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        with torch.enable_grad():
            top = net(inputs).amax(dim=1).sum()
            gradients = torch.autograd.grad(top, activations)
    finally:
        for hook in hooks:
            hook.remove()
    maps = [
        F.relu((F.relu(gradient) * level.detach()).sum(dim=1))  # (B, h, w)
        for gradient, level in zip(gradients, activations, strict=True)
    ]
    maps[:tanh_levels] = [_lifted(level) for level in maps[:tanh_levels]]
    return torch.stack([_stretched(_enlarged(level, size)) for level in maps], dim=1)


def _lifted(maps: Tensor) -> Tensor:
    highest = maps.amax(dim=(1, 2), keepdim=True)
    return torch.tanh(_TANH_GAMMA * maps / highest.clamp_min(torch.finfo(maps.dtype).tiny))


def _enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def _stretched(maps: Tensor) -> Tensor:
    """Each map from 0 to 1; a constant one becomes 0."""
    lowest = maps.amin(dim=(1, 2), keepdim=True)
    span = maps.amax(dim=(1, 2), keepdim=True) - lowest
    return (maps - lowest) / torch.where(span > 0, span, torch.ones_like(span))
