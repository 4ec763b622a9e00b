"""LayerCAM against the package grad-cam, and by hand."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch
from torch import nn

from models.classifier import Classifier
from models.cutswap.layercam import layer_cam

if TYPE_CHECKING:
    from collections.abc import Sequence


def random_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        nn.BatchNorm2d(6),
        nn.Tanh(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    ).eval()


def theirs(net: nn.Module, inputs: torch.Tensor, layer: nn.Module) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        from pytorch_grad_cam import LayerCAM
    with LayerCAM(model=net, target_layers=[layer]) as cam:
        maps: np.ndarray = cam(input_tensor=inputs, targets=None)
    return maps


def compare(net: nn.Module, inputs: torch.Tensor, layers: Sequence[nn.Module]) -> None:
    height, width = inputs.shape[-2:]
    expected = np.stack([theirs(net, inputs, layer) for layer in layers], axis=1)

    ours = layer_cam(net, inputs, layers, (height, width)).numpy()

    assert ours.shape == (len(inputs), len(layers), height, width)
    # The package divides by the maximum plus 1e-7 before it enlarges, and stretches once more.
    np.testing.assert_allclose(ours, expected, atol=1e-3)
    assert ours.max(axis=(2, 3)).min() > 0.99


@pytest.mark.slow
def test_maps_of_a_small_net_are_those_of_grad_cam() -> None:
    net = random_net()
    # Tanh gives negative activations too.
    compare(net, torch.randn(3, 3, 20, 28), [net[2], net[4], net[5]])


@pytest.mark.slow
def test_maps_of_vgg16s_five_pooling_layers_are_those_of_grad_cam() -> None:
    torch.manual_seed(0)
    classifier = Classifier("vgg16.tv_in1k", timm.create_model("vgg16.tv_in1k"))
    layers = classifier.levels((2, 4, 8, 16, 32))
    net = classifier._net.requires_grad_()

    compare(net, torch.randn(1, 3, 64, 64), layers)

    assert layers == [net.features[index] for index in (4, 9, 16, 23, 30)]


def test_maps_worked_by_hand() -> None:
    # The level is the image itself, two channels; the logit of class 0 is the sum over pixels of
    # 2 * first - second, that of class 1 is -1. ReLU(gradients) are 2 and 0: the map is 2 * first
    # where that is positive.
    level = nn.Identity()

    class Net(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            first, second = level(inputs).sum(dim=(2, 3)).unbind(dim=1)
            return torch.stack([2 * first - second, -torch.ones_like(first)], dim=1)

    inputs = torch.tensor([[[[1.0, 4.0], [-3.0, 2.0]], [[0.0, 9.0], [-9.0, 0.0]]]])

    (plain,) = layer_cam(Net(), inputs, [level], (2, 2))[0]
    (lifted,) = layer_cam(Net(), inputs, [level], (2, 2), tanh_levels=1)[0]

    torch.testing.assert_close(plain, torch.tensor([[0.25, 1.0], [0.0, 0.5]]))
    # tanh(2 * M / max M), stretched again: its largest value is tanh(2).
    expected = torch.tanh(torch.tensor([[0.5, 2.0], [0.0, 1.0]])) / np.tanh(2)
    torch.testing.assert_close(lifted, expected.float())


def test_a_map_that_speaks_for_nothing_is_black() -> None:
    net = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(12, 1, bias=False))
    nn.init.constant_(net[2].weight, -1.0)

    maps = layer_cam(net, torch.rand(1, 3, 2, 2), [net[0]], (4, 4), tanh_levels=1)

    assert not maps.any()
    assert torch.isfinite(maps).all()


def test_the_net_is_left_as_it_was() -> None:
    net = random_net().requires_grad_(requires_grad=False)

    layer_cam(net, torch.randn(1, 3, 8, 8), [net[2]], (8, 8))

    assert not net[2]._forward_hooks
    assert all(parameter.grad is None for parameter in net.parameters())
