"""Graphs in torch: half precision and captured on CUDA, 32-bit floats and eager on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.runtime.buckets import Buckets

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from models.runtime import Device

#: Runs before a capture, in which libraries choose their kernels and allocate their workspaces.
_WARM_UPS = 3


class TorchRuntime:
    """A graph run by torch."""

    name = "torch"

    def __init__(self, graph: nn.Module, device: Device = "cpu") -> None:
        """Move `graph` to `device`; on CUDA it is also made half precision, channels last.

        Modules with an attribute `full_precision` stay in 32 bits, and convert what they are given.
        """
        self._graph = prepare(graph, device)
        self._buckets: Buckets | None = None
        if device == "cuda":
            pool = torch.cuda.graph_pool_handle()
            self._buckets = Buckets(lambda shape: CudaReplay(self._graph, shape, pool))

    @torch.inference_mode()
    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the graph on (B, H, W, 3) RGB images of its input size; one (B, ...) an output.

        On CUDA the first batch of a size takes longer: the graph is captured for it.
        """
        if self._buckets is not None:
            return self._buckets.run(images)
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        return [output.numpy() for output in forward(self._graph, pixels)]


class CudaReplay:
    """A graph captured on the GPU for one number of images, with its own memory on both sides."""

    def __init__(self, graph: nn.Module, shape: tuple[int, ...], pool: tuple[int, int]) -> None:
        """Capture `graph`; within torch.inference_mode().

        Args:
            graph: from `prepare`.
            shape: (bucket, H, W, 3).
            pool: of torch.cuda.graph_pool_handle(); graphs may share it if none runs while another
                does, and results are fetched before the next runs.
        """
        self._staging = torch.zeros(shape, dtype=torch.uint8, pin_memory=True)
        #: See `Replay`.
        self.pixels: NDArray[np.uint8] = self._staging.numpy()
        self._input = self._staging.to("cuda")
        self._captured = torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                forward(graph, self._input)
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(self._captured, pool=pool):
            self._outputs = forward(graph, self._input)

    def __call__(self, count: int) -> list[NDArray[np.float32]]:
        """Run on `pixels`; see `Replay`. Nothing is copied twice, and the CPU waits once."""
        self._input[:count].copy_(self._staging[:count], non_blocking=True)
        self._captured.replay()
        results = [
            # Torch keeps pinned memory that was given back, so this is no allocation as a rule.
            torch.empty((count, *output.shape[1:]), dtype=torch.float32, pin_memory=True)
            for output in self._outputs
        ]
        for result, output in zip(results, self._outputs, strict=True):
            result.copy_(output[:count], non_blocking=True)
        torch.cuda.current_stream().synchronize()
        return [result.numpy() for result in results]


def prepare(graph: nn.Module, device: Device) -> nn.Module:
    """Move a network to `device` in place, ready to score; see `TorchRuntime`."""
    graph = graph.eval().to(device)
    if device == "cuda":
        halve(graph)
        graph = graph.to(memory_format=torch.channels_last)
    return graph


def forward(graph: nn.Module, pixels: Tensor) -> list[Tensor]:
    """Run (B, H, W, 3) pixels; one float32 (B, ...) an output.

    Pixels with the colours last are a channels-last tensor once permuted.
    """
    result = graph(pixels)
    outputs = result if isinstance(result, tuple) else (result,)
    return [output.float() for output in outputs]


def halve(module: nn.Module) -> None:
    """Make a network half precision in place, but for what is below a `full_precision` module."""
    if getattr(module, "full_precision", False):
        return
    for child in module.children():
        halve(child)
    for own in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if own.is_floating_point():
            own.data = own.data.half()
