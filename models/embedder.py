"""Patch embeddings of images: the frozen half of a detector, and its files in the artifact."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.runtime import openvino_runtime
from models.runtime.threads import limit_threads

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import openvino
    from numpy.typing import NDArray

    from models.features import Aggregation, EmbeddingGraph
    from models.runtime import Engine, Runtime

#: For torch.
WEIGHTS_FILE = "backbone.safetensors"
#: For OpenVINO; its weights are beside it, with the suffix .bin.
GRAPH_FILE = "graph.xml"
_FILES = (WEIGHTS_FILE, GRAPH_FILE, "graph.bin")


@dataclass(frozen=True)
class EmbeddingSpec:
    """Everything that decides an embedding but the weights."""

    #: timm's name.
    backbone: str
    #: H of the images.
    input_height: int
    #: W of the images.
    input_width: int
    #: Pixels per feature cell of the levels used, finest first.
    strides: tuple[int, ...]
    #: How levels and neighbourhoods are joined.
    aggregation: Aggregation
    #: Size D of an embedding; counts for the official aggregation only.
    width: int


class Embedder:
    """Embeds images of one size with one runtime."""

    def __init__(self, runtime: Runtime, source: _Built | Path) -> None:
        """Use `create_embedder` or `load_embedder`."""
        self._runtime = runtime
        self._source = source

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed (B, H, W, 3) RGB images of the input size as (B, h, w, D)."""
        return self._runtime.run(images)

    def save(self, folder: Path) -> None:
        """Write the weights for torch and the graph for OpenVINO, whichever ran here."""
        if isinstance(self._source, _Built):
            weights = self._source.graph.backbone.to_bytes()
            (folder / WEIGHTS_FILE).write_bytes(weights)
            openvino_runtime.write(self._source.model, folder / GRAPH_FILE)
            return
        for name in _FILES:
            shutil.copyfile(self._source / name, folder / name)


@dataclass(frozen=True)
class _Built:
    #: With pretrained weights.
    graph: EmbeddingGraph
    #: The same for OpenVINO.
    model: openvino.Model


def create_embedder(
    spec: EmbeddingSpec, engine: Engine, weights: Path | None = None
) -> tuple[Embedder, str]:
    """Build an embedder from pretrained weights; also gives their sha256.

    Raises:
        ModelError: if the backbone does not exist or has no such levels.
        WeightsError: if its weights cannot be had.
    """
    from models.backbone import load_backbone
    from models.features import EmbeddingGraph

    limit_threads(engine.threads)
    backbone = load_backbone(spec.backbone, spec.strides, weights=weights)
    graph = EmbeddingGraph(backbone, spec.aggregation, spec.width)
    model = openvino_runtime.convert(graph, spec.input_height, spec.input_width)
    # Before the runtime takes the graph: on CUDA it halves the precision.
    built, sha256 = _Built(graph, model), backbone.weights_sha256()
    return Embedder(_start(engine, model, graph), built), sha256


def load_embedder(spec: EmbeddingSpec, folder: Path, engine: Engine) -> Embedder:
    """Read an embedder from an artifact; torch is loaded only if it is to run the graph.

    Raises:
        ArtifactError: if the files do not fit `spec`.
    """
    if engine.runtime == "openvino":
        model = openvino_runtime.read(folder / GRAPH_FILE)
        runtime = openvino_runtime.OpenVinoRuntime(model, threads=engine.threads)
        return Embedder(runtime, folder)

    from models.backbone import restore_backbone
    from models.features import EmbeddingGraph

    backbone = restore_backbone(spec.backbone, spec.strides, folder / WEIGHTS_FILE)
    graph = EmbeddingGraph(backbone, spec.aggregation, spec.width)
    return Embedder(_start_torch(engine, graph), folder)


def _start(engine: Engine, model: openvino.Model, graph: EmbeddingGraph) -> Runtime:
    if engine.runtime == "openvino":
        return openvino_runtime.OpenVinoRuntime(model, threads=engine.threads)
    return _start_torch(engine, graph)


def _start_torch(engine: Engine, graph: EmbeddingGraph) -> Runtime:
    from models.runtime.torch_runtime import TorchRuntime

    limit_threads(engine.threads)
    return TorchRuntime(graph, engine.device)
