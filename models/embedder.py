"""Patch embeddings of images: the frozen half of a detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from models.compiled_graph import WEIGHTS_FILE, CompiledGraph, compile_graph, load_graph

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import openvino
    from numpy.typing import NDArray

    from models.backbone import Backbone
    from models.features import EmbeddingGraph
    from models.runtime import Engine

#: `official`: the released PatchCore and SimpleNet code; `mean`: most re-implementations.
Aggregation: TypeAlias = Literal["official", "mean"]


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

    def __init__(self, graph: CompiledGraph) -> None:
        """Use `create_embedder`, `build_embedder` or `load_embedder`."""
        self._graph = graph

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed (B, H, W, 3) RGB images of the input size as (B, h, w, D)."""
        return self._graph.run(images)[0]

    def prepare(self) -> None:
        """Compile now, so that the first images take no longer than others.

        Raises:
            ArtifactError: if it came from an artifact and cannot be read.
        """
        self._graph.prepare()

    def network(self) -> openvino.Model:
        """The graph for OpenVINO, to be continued in a copy.

        Raises:
            ArtifactError: if it came from an artifact and cannot be read.
        """
        return self._graph.network()

    def save(self, folder: Path) -> None:
        """Write the weights for torch and the graph for OpenVINO, whichever ran here."""
        self._graph.save(folder)


def create_embedder(
    spec: EmbeddingSpec, engine: Engine, weights: Path | None = None
) -> tuple[Embedder, str]:
    """Build an embedder from pretrained weights; also gives their sha256.

    Raises:
        ModelError: if the backbone does not exist or has no such levels.
        WeightsError: if its weights cannot be had.
    """
    from models.backbone import load_backbone

    backbone = load_backbone(spec.backbone, spec.strides, weights=weights)
    sha256 = backbone.weights_sha256()
    return build_embedder(spec, backbone, engine), sha256


def build_embedder(spec: EmbeddingSpec, backbone: Backbone, engine: Engine) -> Embedder:
    """Build an embedder on a backbone that is there already; on CUDA it is changed in place."""
    graph = embedding_graph(spec, backbone)
    return Embedder(compile_graph(graph, backbone, spec.input_height, spec.input_width, engine))


def load_embedder(spec: EmbeddingSpec, folder: Path, engine: Engine) -> Embedder:
    """Take an embedder from an artifact; torch is loaded only if it is to run the graph."""

    def rebuild() -> EmbeddingGraph:
        from models.backbone import restore_backbone

        backbone = restore_backbone(spec.backbone, spec.strides, folder / WEIGHTS_FILE)
        return embedding_graph(spec, backbone)

    return Embedder(load_graph(folder, engine, rebuild))


def embedding_graph(spec: EmbeddingSpec, backbone: Backbone) -> EmbeddingGraph:
    """The network from pixels to embeddings, on a backbone cut at the strides of `spec`."""
    from models.features import EmbeddingGraph

    return EmbeddingGraph(backbone, spec.aggregation, spec.width)
