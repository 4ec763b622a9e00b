"""Whole ImageNet classifiers by their timm names, where a method asks what they see."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

import structlog
import torch
from safetensors.torch import save
from torch import Tensor, nn

from models.backbone import FAST_BACKBONE, build_classifier
from models.errors import ModelError
from models.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = structlog.get_logger()


class Classifier(nn.Module):
    """A frozen classifier, head included; it normalises its input."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, net: Any) -> None:
        """Take timm's classifier `net`, called `name`."""
        super().__init__()
        self.name = name
        self._net = net
        config = net.pretrained_cfg
        self.register_buffer("mean", 255 * torch.tensor(config["mean"]).reshape(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(config["std"]).reshape(1, 3, 1, 1))
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        """Classify (B, H, W, 3) RGB pixels, 0 to 255: logits (B, classes)."""
        pixels = images.permute(0, 3, 1, 2).to(self.mean.dtype)  # (B, 3, H, W)
        return cast("Tensor", self._net((pixels - self.mean) / self.std))

    def levels(self, strides: Sequence[int]) -> list[nn.Module]:
        """The modules whose outputs are the levels at `strides`, finest first.

        Where there are max-pooling layers between the stages (VGG) these, as in LayerCAM; otherwise
        the last module of a stage.

        Raises:
            ModelError: if there is no level at a stride.
        """
        stages = getattr(self._net, "features", [])
        pools = [layer for layer in stages if isinstance(layer, nn.MaxPool2d)]
        by_stride: dict[int, nn.Module] = {
            int(level["reduction"]): self._net.get_submodule(level["module"])
            for level in getattr(self._net, "feature_info", [])
        }
        by_stride |= {2 ** (index + 1): pool for index, pool in enumerate(pools)}
        if not set(strides) <= by_stride.keys():
            raise ModelError(
                f"classifier {self.name!r} has levels at strides {sorted(by_stride)}, wanted "
                f"{list(strides)}: take a convolutional one such as {FAST_BACKBONE}"
            )
        return [by_stride[stride] for stride in sorted(strides)]

    def weights_sha256(self) -> str:
        """Identify the weights wherever they came from."""
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        return hashlib.sha256(save(state)).hexdigest()


def load_classifier(name: str, *, weights: Path | None = None) -> Classifier:
    """Build a pretrained classifier; `name` and `weights` as `load_backbone` takes them.

    Raises:
        ModelError: if timm knows no such classifier.
        WeightsError: if its weights cannot be had.
    """
    net = build_classifier(name)
    source = load_weights(name, net, weights)
    log.info("classifier.loaded", classifier=name, weights=source)
    return Classifier(name, net)
