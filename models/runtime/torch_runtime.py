"""Graphs in torch: half precision and captured on CUDA, 32-bit floats and eager on a CPU."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.runtime.captured import CapturedNetwork, CudaCapture

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from models.runtime import Device


class TorchRuntime:
    """A graph run by torch."""

    name = "torch"

    def __init__(self, graph: nn.Module, device: Device = "cpu") -> None:
        """Move `graph` to `device`; on CUDA it is also made half precision, channels last.

        Modules with an attribute `full_precision` stay in 32 bits, and convert what they are given.
        """
        self._graph = graph.eval().to(device)
        self._captured: CapturedNetwork | None = None
        if device == "cuda":
            halve(self._graph)
            self._graph = self._graph.to(memory_format=torch.channels_last)
            # Nothing in it refers back to this: a model that is let go frees the GPU at once.
            network = partial(forward, self._graph)
            self._captured = CapturedNetwork(network, device, CudaCapture())

    @torch.inference_mode()
    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the graph on (B, H, W, 3) RGB images of its input size; one (B, ...) an output.

        On CUDA the first batches of 1, 2, 4 and so on up to 64 images take longer: the graph is
        captured then.
        """
        if self._captured is not None:
            return self._captured.run(images)
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        return [output.numpy() for output in forward(self._graph, pixels)]


def forward(graph: nn.Module, pixels: Tensor) -> list[Tensor]:
    """Run (B, H, W, 3) pixels; one float32 (B, ...) an output."""
    # Pixels with the colours last are a channels-last tensor once permuted.
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
