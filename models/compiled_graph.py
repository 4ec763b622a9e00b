"""A network ready to run from camera pixels on, and its files in the artifact."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
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
    """A network that takes (B, H, W, 3) RGB pixels of one size; compiled when it is first run."""

    def __init__(self, make_runtime: Callable[[], Runtime], source: _Built | Path) -> None:
        """Use `compile_graph` or `load_graph`."""
        self._make_runtime = make_runtime
        self._source = source

    @cached_property
    def _runtime(self) -> Runtime:
        return self._make_runtime()

    def prepare(self) -> None:
        """Compile now, so that the first run takes no longer than others.

        Raises:
            ArtifactError: if it came from an artifact and cannot be read.
        """
        _ = self._runtime

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run (B, H, W, 3) RGB images of the input size; one (B, ...) array an output."""
        return self._runtime.run(images)

    def network(self) -> openvino.Model:
        """The network for OpenVINO, not to be changed.

        Raises:
            ArtifactError: if it came from an artifact and cannot be read.
        """
        if isinstance(self._source, _Built):
            return self._source.model
        return openvino_runtime.read(self._source / GRAPH_FILE)

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
        return CompiledGraph(lambda: _openvino_runtime(built.model, engine), built)
    runtime = _torch_runtime(graph, engine)
    return CompiledGraph(lambda: runtime, built)


def load_graph(folder: Path, engine: Engine, rebuild: Callable[[], nn.Module]) -> CompiledGraph:
    """Take a network from an artifact; it is read when it is first needed.

    Args:
        folder: of the artifact.
        engine: what is to run it.
        rebuild: makes the torch network; called, and torch loaded, only if torch is to run it.
    """
    file = folder / GRAPH_FILE
    if engine.runtime == "openvino":
        return CompiledGraph(lambda: _openvino_runtime(openvino_runtime.read(file), engine), folder)
    limit_threads(engine.threads)
    return CompiledGraph(lambda: _torch_runtime(rebuild(), engine), folder)


def _openvino_runtime(model: openvino.Model, engine: Engine) -> Runtime:
    return openvino_runtime.OpenVinoRuntime(model, threads=engine.threads)


def _torch_runtime(graph: nn.Module, engine: Engine) -> Runtime:
    from models.runtime.torch_runtime import TorchRuntime

    return TorchRuntime(graph, engine.device)
