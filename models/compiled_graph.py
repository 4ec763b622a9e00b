"""A network ready to run from camera pixels on, and its files in the artifact."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.runtime import openvino_runtime
from models.runtime.threads import limit_threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import openvino
    from numpy.typing import NDArray
    from torch import nn

    from models.backbone import Backbone
    from models.runtime import Engine, Runtime

#: For torch: the backbone; what else the network learnt is in the detector's own file.
WEIGHTS_FILE = "backbone.safetensors"
#: For OpenVINO; its weights are beside it, with the suffix .bin.
GRAPH_FILE = "graph.xml"
_FILES = (WEIGHTS_FILE, GRAPH_FILE, "graph.bin")


class CompiledGraph:
    """A network that takes (B, H, W, 3) RGB pixels of one size, with the runtime that runs it."""

    def __init__(self, runtime: Runtime, source: _Built | Path) -> None:
        """Use `compile_graph` or `load_graph`."""
        self._runtime = runtime
        self._source = source

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run (B, H, W, 3) RGB images of the input size; one (B, ...) array an output."""
        return self._runtime.run(images)

    def save(self, folder: Path) -> None:
        """Write the weights for torch and the graph for OpenVINO, whichever ran here."""
        if isinstance(self._source, _Built):
            (folder / WEIGHTS_FILE).write_bytes(self._source.weights)
            openvino_runtime.write(self._source.model, folder / GRAPH_FILE)
            return
        for name in _FILES:
            shutil.copyfile(self._source / name, folder / name)


@dataclass(frozen=True)
class _Built:
    #: The backbone, as `Backbone.to_bytes` gives it.
    weights: bytes
    #: The whole network for OpenVINO.
    model: openvino.Model


def compile_graph(
    graph: nn.Module, backbone: Backbone, height: int, width: int, engine: Engine
) -> CompiledGraph:
    """Make a network ready to run: `graph`, whose backbone is `backbone`.

    On CUDA the graph is changed in place (half precision): keep a copy of what is still needed.
    """
    limit_threads(engine.threads)
    # Both before the runtime takes the graph.
    built = _Built(backbone.to_bytes(), openvino_runtime.convert(graph, height, width))
    if engine.runtime == "openvino":
        runtime = openvino_runtime.OpenVinoRuntime(built.model, threads=engine.threads)
        return CompiledGraph(runtime, built)
    return CompiledGraph(_torch_runtime(graph, engine), built)


def load_graph(folder: Path, engine: Engine, rebuild: Callable[[], nn.Module]) -> CompiledGraph:
    """Read a network from an artifact.

    Args:
        folder: of the artifact.
        engine: what is to run it.
        rebuild: makes the torch network; called, and torch loaded, only if torch is to run it.

    Raises:
        ArtifactError: if the files are not such a network's.
    """
    if engine.runtime == "openvino":
        model = openvino_runtime.read(folder / GRAPH_FILE)
        runtime = openvino_runtime.OpenVinoRuntime(model, threads=engine.threads)
        return CompiledGraph(runtime, folder)
    limit_threads(engine.threads)
    return CompiledGraph(_torch_runtime(rebuild(), engine), folder)


def _torch_runtime(graph: nn.Module, engine: Engine) -> Runtime:
    from models.runtime.torch_runtime import TorchRuntime

    return TorchRuntime(graph, engine.device)
