"""Graphs in torch: half precision on CUDA, 32-bit floats on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from models.runtime import Device


class TorchRuntime:
    """A graph run eagerly."""

    name = "torch"

    def __init__(self, graph: nn.Module, device: Device = "cpu") -> None:
        """Move `graph` to `device`; on CUDA it is also made half precision, channels last.

        Modules with an attribute `full_precision` stay in 32 bits, and convert what they are given.
        """
        self._device = torch.device(device)
        graph = graph.eval().to(self._device)
        if device == "cuda":
            halve(graph)
            graph = graph.to(memory_format=torch.channels_last)
        self._graph = graph

    @torch.inference_mode()
    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the graph on (B, H, W, 3) RGB images of its input size; one (B, ...) an output."""
        # Pixels with the colours last are a channels-last tensor once permuted.
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
        result = self._graph(pixels)
        outputs = result if isinstance(result, tuple) else (result,)
        return [output.float().cpu().numpy() for output in outputs]


def halve(module: nn.Module) -> None:
    """Make a network half precision in place, but for what is below a `full_precision` module."""
    if getattr(module, "full_precision", False):
        return
    for child in module.children():
        halve(child)
    for own in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if own.is_floating_point():
            own.data = own.data.half()
