"""Frozen ImageNet backbones by their timm names: from camera pixels to feature levels."""

from __future__ import annotations

import difflib
import hashlib
from typing import TYPE_CHECKING, Any, cast

import structlog
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from models.errors import ArtifactError, ModelError
from models.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = structlog.get_logger()

#: The defaults of the two presets.
FAST_BACKBONE = "tf_efficientnet_lite0"
PAPER_BACKBONE = "wide_resnet50_2.tv_in1k"


class Backbone(nn.Module):
    """A frozen classifier cut off after the deepest level asked for; it normalises its input."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, net: Any, strides: Sequence[int]) -> None:
        """Take the levels of `net`, timm's classifier `name`, at `strides`, finest first."""
        super().__init__()
        self.name = name
        self.strides = tuple(strides)
        levels = _levels_by_stride(name, net, self.strides)
        #: Feature channels of each level.
        self.channels = tuple(int(net.feature_info[level]["num_chs"]) for level in levels)
        config = net.pretrained_cfg
        self._levels = list(levels)
        net.prune_intermediate_layers(self._levels, prune_norm=True, prune_head=True)
        self._net = net
        # Each backbone wants the normalisation it was trained with: ImageNet's for most, 0.5 for
        # the Lite ones.
        self.register_buffer("mean", 255 * torch.tensor(config["mean"]).reshape(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(config["std"]).reshape(1, 3, 1, 1))
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Extract the levels.

        Args:
            images: (B, H, W, 3), RGB, 0 to 255.

        Returns:
            One (B, D, h, w) per stride, finest first.
        """
        # In this order nothing is moved in memory: the colours stay last.
        pixels = (images.to(self.mean.dtype) - self.mean.flatten()) / self.std.flatten()
        normalised = pixels.permute(0, 3, 1, 2)  # (B, 3, H, W)
        levels = self._net.forward_intermediates(
            normalised, indices=self._levels, stop_early=True, intermediates_only=True
        )
        return cast("list[Tensor]", levels)

    def cut(self, strides: Sequence[int]) -> Backbone:
        """The same network cut off after other levels of those it has; not to be used itself then.

        Raises:
            ModelError: if it has no level at a stride.
        """
        return Backbone(self.name, self._net, strides)

    def to_bytes(self) -> bytes:
        """The weights and the normalisation as safetensors; the same for the same weights."""
        return save({name: value.contiguous() for name, value in self.state_dict().items()})

    def weights_sha256(self) -> str:
        """Identify the weights wherever they came from."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def load_backbone(name: str, strides: Sequence[int], *, weights: Path | None = None) -> Backbone:
    """Build a pretrained backbone.

    Args:
        name: timm's name with its tag, e.g. `wide_resnet50_2.tv_in1k`.
        strides: pixels per feature cell of the levels wanted, finest first.
        weights: a weights file; None takes an installed weights package, then timm's hub.

    Raises:
        ModelError: if timm knows no such backbone, or it has no level at a stride.
        WeightsError: if its weights cannot be had.
    """
    net = build_classifier(name)
    source = load_weights(name, net, weights)
    log.info("backbone.loaded", backbone=name, weights=source)
    return Backbone(name, net, strides)


def restore_backbone(name: str, strides: Sequence[int], file: Path) -> Backbone:
    """Rebuild a backbone from what `Backbone.to_bytes` stored in `file`; needs no other source.

    Raises:
        ArtifactError: if the file does not hold this backbone.
    """
    backbone = Backbone(name, build_classifier(name), strides)
    try:
        backbone.load_state_dict(load_file(file), strict=True)
    except (OSError, SafetensorError, RuntimeError) as exc:
        raise ArtifactError(
            f"{file} does not hold backbone {name}: {str(exc).splitlines()[0]}; "
            "train the model again with this version"
        ) from exc
    return backbone


def build_classifier(name: str) -> Any:
    """timm's whole network of that name, in eval mode, without its pretrained weights.

    Raises:
        ModelError: if timm knows none.
    """
    try:
        return timm.create_model(name, pretrained=False).eval()
    except RuntimeError as exc:
        known = timm.list_models() + timm.list_pretrained()
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "see timm.list_models() for all"
        raise ModelError(f"unknown backbone {name!r}: {hint}") from exc


def _levels_by_stride(name: str, net: Any, strides: Sequence[int]) -> list[int]:
    info = getattr(net, "feature_info", None) or []
    by_stride = {int(level["reduction"]): index for index, level in enumerate(info)}
    if not hasattr(net, "forward_intermediates") or not set(strides) <= by_stride.keys():
        raise ModelError(
            f"backbone {name!r} has feature levels at strides {sorted(by_stride)}, "
            f"wanted {list(strides)}: take a convolutional backbone such as {FAST_BACKBONE}"
        )
    return [by_stride[stride] for stride in strides]
