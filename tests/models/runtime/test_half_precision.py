"""Every detector's network as a GPU would get it, without a GPU.

In half precision on the CPU, for the numbers; and on a pretended GPU, for the rest: torch's fake
tensors know shape, type and device of everything, and compute nothing. A network that keeps a
tensor on the CPU, or asks for a number while it runs, fails there as its capture would on a GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models.backbone import Backbone
from models.bgad.graph import ScoreGraph
from models.bgad.level import build_levels
from models.bgad.parameters import BgadParameters
from models.features import EmbeddingGraph, LevelsGraph
from models.runtime.torch_runtime import TorchRuntime, forward, halve
from models.simplenet.network import PatchScorer, SimpleNetGraph

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 32


class OnlyOnGpu(TorchDispatchMode):
    """Refuses an operation that takes or gives a tensor on the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves([args, kwargs, result]):
            if isinstance(value, torch.Tensor) and value.device.type == "cpu":
                raise AssertionError(f"{func} works on the CPU")
        return result


def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone("test_efficientnet", timm.create_model("test_efficientnet").eval(), (4, 8))


def embedding(aggregation: Any) -> nn.Module:
    return EmbeddingGraph(backbone(), aggregation, 24)


def simplenet() -> nn.Module:
    graph = EmbeddingGraph(backbone(), "mean", 0)
    return SimpleNetGraph(graph, PatchScorer(graph.aggregation.width, 16))


def bgad() -> nn.Module:
    parameters = BgadParameters(
        backbone="test_efficientnet",
        input_height=SIZE,
        input_width=SIZE,
        strides=(4, 8),
        blocks=2,
        position_channels=8,
    )
    net = backbone()
    levels = build_levels(net.channels, parameters, seed=0)
    return ScoreGraph(net, levels, [0.5] * len(levels), parameters)


NETWORKS = {
    "patchcore": lambda: embedding("mean"),
    "patchcore, official": lambda: embedding("official"),
    "levels": lambda: LevelsGraph(backbone(), 3),
    "simplenet": simplenet,
    "bgad": bgad,
}


def pretend_to_move(graph: nn.Module) -> None:
    """Put a fake tensor on a GPU in the place of each parameter and buffer; within a fake mode."""
    for module in graph.modules():
        for own in (module._parameters, module._buffers):
            for name, value in own.items():
                if value is not None:
                    own[name] = torch.empty(value.shape, dtype=value.dtype, device="cuda")


@torch.no_grad()
def run_on_pretended_gpu(graph: nn.Module, count: int) -> list[torch.Tensor]:
    halve(graph.eval())
    with FakeTensorMode():
        pretend_to_move(graph)
        pixels = torch.empty(count, SIZE, SIZE, 3, dtype=torch.uint8, device="cuda")
        with OnlyOnGpu():
            return forward(graph, pixels)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_network_runs_on_a_gpu_from_end_to_end(make: Callable[[], nn.Module]) -> None:
    outputs = run_on_pretended_gpu(make(), 3)

    assert all(output.device.type == "cuda" for output in outputs)
    assert all(output.dtype == torch.float32 for output in outputs)
    assert [len(output) for output in outputs] == [3] * len(outputs)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_half_precision_gives_nearly_the_same_numbers(make: Callable[[], nn.Module]) -> None:
    rng = np.random.default_rng(0)
    batch = rng.integers(90, 160, (3, SIZE, SIZE, 3), dtype=np.uint8)
    expected = TorchRuntime(make()).run(batch)
    graph = make().eval()
    halve(graph)

    outputs = TorchRuntime(graph).run(batch)

    for output, wanted in zip(outputs, expected, strict=True):
        assert output.dtype == np.float32
        # Halves have eleven bits, and ten layers add to their rounding: 0.0013 was the most.
        assert np.abs(output - wanted).max() < 0.005 * np.ptp(wanted)


class StaysBehind(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.offset = torch.zeros(3)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels + self.offset.to(pixels.device)


class Asks(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels / pixels.amax().item()


@pytest.mark.parametrize("graph", [StaysBehind(), Asks()], ids=lambda g: type(g).__name__)
def test_a_network_that_a_gpu_would_refuse_is_refused_here(graph: nn.Module) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - torch has a class of its own for each
        run_on_pretended_gpu(graph, 2)
