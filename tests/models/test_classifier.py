"""Whole classifiers, with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from models.classifier import Classifier, load_classifier
from models.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "test_efficientnet"


def test_a_classifier_normalises_pixels_and_keeps_its_head(tmp_path: Path) -> None:
    net = timm.create_model(NAME).eval()
    save_file(net.state_dict(), tmp_path / f"{NAME}.safetensors")
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    mean, std = (torch.tensor(net.pretrained_cfg[name])[:, None, None] for name in ("mean", "std"))

    classifier = load_classifier(NAME, weights=tmp_path)

    with torch.inference_mode():
        expected = net((pixels.permute(0, 3, 1, 2) / 255 - mean) / std)
        torch.testing.assert_close(classifier(pixels), expected, rtol=1e-4, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in classifier.parameters())


def test_levels_are_the_last_modules_of_the_stages() -> None:
    net = timm.create_model(NAME)

    levels = Classifier(NAME, net).levels((32, 4))

    assert levels == [net.blocks[1], net.blocks[4]]


def test_levels_of_vgg_are_its_pooling_layers() -> None:
    with torch.device("meta"):
        net = timm.create_model("vgg11.tv_in1k")

    levels = Classifier("vgg11.tv_in1k", net).levels((2, 4, 8, 16, 32))

    assert levels == [layer for layer in net.features if isinstance(layer, nn.MaxPool2d)]
    assert len(levels) == 5


def test_a_missing_level_is_named() -> None:
    with pytest.raises(ModelError, match=r"levels at strides \[2, 4, 8, 16, 32\], wanted \[3\]"):
        Classifier(NAME, timm.create_model(NAME)).levels((3,))


def test_weights_are_told_apart() -> None:
    one, other = (Classifier(NAME, timm.create_model(NAME)) for _ in range(2))

    assert one.weights_sha256() == one.weights_sha256() != other.weights_sha256()
