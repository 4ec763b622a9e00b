"""BGAD's learning rate over its training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.bgad.parameters import BgadParameters

#: The learning rate ends at this share of its value.
_LAST = 1e-3
#: Warming up starts at this share.
_FIRST = 0.1
#: Loaders of the released few-anomaly engine, which it takes for the number of batches.
_LOADERS = 2


def learning_rate(
    parameters: BgadParameters, meta_epoch: int, sub_epoch: int, batch: int, batches: int
) -> float:
    """The learning rate of a batch of images: a ramp, then a cosine that falls by meta epoch.

    Args:
        parameters: the schedule's.
        meta_epoch: from 0.
        sub_epoch: pass of this meta epoch, from 0.
        batch: of this pass, from 0.
        batches: of images in a pass.

    Source: Yao et al., CVPR 2023, the released code.
    """
    warm = parameters.warm_up_epochs
    if meta_epoch >= warm:
        return _cosine(parameters, meta_epoch)
    # The saw-tooth exceeds 1 where a pass has many batches.
    counted = _LOADERS if parameters.warm_up == "saw_tooth" else batches
    passed = meta_epoch * parameters.sub_epochs + sub_epoch
    share = (batch + passed * counted) / (warm * parameters.sub_epochs * counted)
    first = _FIRST * parameters.learning_rate
    return first + share * (_cosine(parameters, warm) - first)


def _cosine(parameters: BgadParameters, meta_epoch: int) -> float:
    highest = parameters.learning_rate
    lowest = _LAST * highest
    turn = math.pi * meta_epoch / parameters.meta_epochs
    return lowest + (highest - lowest) * (1 + math.cos(turn)) / 2
