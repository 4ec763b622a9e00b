"""SimpleNet as a detector."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from safetensors import SafetensorError

from models.compiled_graph import WEIGHTS_FILE, load_graph
from models.detector import Scores
from models.errors import ArtifactError, NotFittedError
from models.hyperparameters import choose
from models.simplenet.parameters import PRESETS, SimpleNetParameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.backbone import Backbone
    from models.checkpoint import Checkpoint
    from models.compiled_graph import CompiledGraph
    from models.detector import Preset, Progress, TrainingData
    from models.runtime import Engine
    from models.simplenet.network import SimpleNetGraph

HEAD_FILE = "simplenet.safetensors"


class SimpleNet:
    """Scores a patch by how sure a discriminator is that it is none of a good part."""

    name = "simplenet"

    def __init__(
        self,
        parameters: SimpleNetParameters,
        engine: Engine,
        weights_sha256: str,
        backbone: Backbone | None = None,
    ) -> None:
        """Use `create` or `load`; only a detector with a backbone can be fitted."""
        self.parameters = parameters
        self.weights_sha256 = weights_sha256
        self._engine = engine
        self._backbone = backbone
        self._graph: CompiledGraph | None = None
        self._head: bytes | None = None
        self._findings: dict[str, Any] = {}

    @property
    def findings(self) -> dict[str, Any]:
        """How well the last epoch told good patches from those with noise."""
        return self._findings

    @classmethod
    def create(
        cls,
        *,
        preset: Preset,
        engine: Engine,
        backbone: str | None = None,
        weights: Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an unfitted one; see `Detector.create`.

        Raises:
            ModelError: if the backbone does not exist or has no such levels.
            WeightsError: if its weights cannot be had.
            SettingError: if a hyper-parameter is unknown or out of its range.
        """
        from models.backbone import load_backbone

        parameters = choose(PRESETS[preset], backbone, settings)
        loaded = load_backbone(parameters.backbone, parameters.strides, weights=weights)
        return cls(parameters, engine, loaded.weights_sha256(), loaded)

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, engine: Engine) -> Self:
        """Read a fitted one from an artifact whose files were verified.

        Raises:
            ArtifactError: if the files are not SimpleNet's.
        """
        parameters = SimpleNetParameters.from_manifest(manifest)
        detector = cls(parameters, engine, manifest.weights_sha256)
        try:
            detector._head = (folder / HEAD_FILE).read_bytes()
        except OSError as exc:
            raise ArtifactError(f"no head in {folder}: {exc}; train the model again") from exc
        detector._findings = dict(manifest.findings)
        detector._graph = load_graph(folder, engine, lambda: _rebuilt(parameters, folder))
        detector._graph.prepare()
        return detector

    def fit(
        self,
        data: TrainingData,
        *,
        seed: int,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Train adaptor and discriminator on the embeddings of good images.

        Raises:
            ModelError: if there are no images.
            DivergedError: if the training meets a number that is not finite.
            NotFittedError: if this one was loaded: it has no backbone to train on.
        """
        # Here, not above: scoring needs no torch.
        from safetensors.torch import save

        from models.compiled_graph import compile_graph
        from models.embedder import build_embedder, embedding_graph
        from models.feature_cache import cache_features
        from models.simplenet.network import SimpleNetGraph, fold
        from models.simplenet.scaling import choose_scaling
        from models.simplenet.training import Training

        backbone, spec = self._backbone, self.parameters.embedding()
        if backbone is None:
            raise NotFittedError("a loaded SimpleNet cannot be fitted: create one")
        # A copy: on CUDA an embedder turns its backbone to half precision.
        embedder = build_embedder(spec, copy.deepcopy(backbone), self._engine)
        (embeddings,) = cache_features(
            lambda images: [embedder.embed(images)], data.normal, progress
        )
        scaling = choose_scaling(
            embeddings.reshape(-1, embeddings.shape[-1]),
            self.parameters.scaling,
            shrinkage=self.parameters.shrinkage,
            seed=seed,
        )
        training = Training(
            embeddings, scaling, self.parameters, seed=seed, device=self._engine.device
        )
        outcome = training.run(progress, checkpoint)
        scorer = fold(scaling, training.heads)
        graph = SimpleNetGraph(embedding_graph(spec, backbone), scorer)
        self._head = save(scorer.state_dict())
        self._findings = outcome.findings()
        self._graph = compile_graph(graph, backbone, *self.parameters.input_size, self._engine)

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """Score (B, H, W, 3) RGB images of the input size; scores are -D(G(o)), unclamped.

        A patch that D finds good has a score below 0, beyond the margin if D is sure.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._graph is None:
            raise NotFittedError("SimpleNet has no discriminator: fit it, or load a trained model")
        (grid,) = self._graph.run(images)  # (B, h, w)
        # The maximum of the patches, before smoothing lowers it.
        scores = grid.max(axis=(1, 2))
        return Scores(scores, grid, self.parameters.input_size, self.parameters.sigma)

    def save(self, folder: Path) -> None:
        """Write the head, the backbone and the graph.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._graph is None or self._head is None:
            raise NotFittedError("SimpleNet has no discriminator to save: fit it first")
        (folder / HEAD_FILE).write_bytes(self._head)
        self._graph.save(folder)


def _rebuilt(parameters: SimpleNetParameters, folder: Path) -> SimpleNetGraph:
    """The network for torch, from its files."""
    from safetensors.torch import load_file

    from models.backbone import restore_backbone
    from models.embedder import embedding_graph
    from models.simplenet.network import PatchScorer, SimpleNetGraph

    backbone = restore_backbone(parameters.backbone, parameters.strides, folder / WEIGHTS_FILE)
    embedding = embedding_graph(parameters.embedding(), backbone)
    scorer = PatchScorer(embedding.aggregation.width, parameters.heads * parameters.hidden)
    try:
        scorer.load_state_dict(load_file(folder / HEAD_FILE))
    except (OSError, SafetensorError, RuntimeError) as exc:
        raise ArtifactError(
            f"{folder / HEAD_FILE} holds no discriminator of this width: "
            f"{str(exc).splitlines()[0]}; train the model again"
        ) from exc
    return SimpleNetGraph(embedding, scorer)
