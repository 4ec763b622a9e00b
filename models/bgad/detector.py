"""BGAD as a detector."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from models.bgad.constants import Constants
from models.bgad.parameters import PRESETS, BgadParameters
from models.compiled_graph import WEIGHTS_FILE, compile_graph, load_graph
from models.detector import Scores
from models.errors import ArtifactError, ModelError, NotFittedError
from models.hyperparameters import choose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.backbone import Backbone
    from models.bgad.graph import ScoreGraph
    from models.bgad.level import LevelFlow
    from models.checkpoint import Checkpoint
    from models.compiled_graph import CompiledGraph
    from models.detector import Preset, Progress, TrainingData
    from models.runtime import Engine

FLOWS_FILE = "bgad.safetensors"


class Bgad:
    """Scores a pixel by how unlikely its features are in all levels, an image by its worst."""

    name = "bgad"

    def __init__(self, parameters: BgadParameters, engine: Engine, weights_sha256: str) -> None:
        """Use `create` or `load`."""
        self.parameters = parameters
        self.weights_sha256 = weights_sha256
        self._engine = engine
        self._backbone: Backbone | None = None
        self._graph: CompiledGraph | None = None
        self._constants: Constants | None = None
        #: What `save` writes as FLOWS_FILE.
        self._flows = b""

    @property
    def findings(self) -> dict[str, Any]:
        """The boundaries of normal and abnormal, which are BGAD's natural threshold."""
        return {} if self._constants is None else self._constants.findings(self.parameters)

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
        """
        from models.backbone import load_backbone

        parameters = choose(PRESETS[preset], backbone, settings)
        net = load_backbone(parameters.backbone, parameters.strides, weights=weights)
        return cls.on_backbone(parameters, net, engine)

    @classmethod
    def on_backbone(cls, parameters: BgadParameters, net: Backbone, engine: Engine) -> Self:
        """Make an unfitted one on a backbone that is there already, cut at its strides."""
        detector = cls(parameters, engine, net.weights_sha256())
        detector._backbone = net
        return detector

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, engine: Engine) -> Self:
        """Read a fitted one from an artifact whose files were verified.

        Raises:
            ArtifactError: if the files are not BGAD's.
        """
        parameters = BgadParameters.from_manifest(manifest)
        detector = cls(parameters, engine, manifest.weights_sha256)
        try:
            detector._flows = (folder / FLOWS_FILE).read_bytes()
            tensors = load_tensors(detector._flows)
            constants = Constants(tensors["maxima"].tolist(), tensors["boundaries"].tolist())
        except (OSError, KeyError, SafetensorError) as exc:
            raise ArtifactError(
                f"{folder / FLOWS_FILE} holds no flows: {exc}; train the model again"
            ) from exc
        detector._constants = constants
        detector._graph = load_graph(folder, engine, lambda: detector._rebuilt(folder, constants))
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
        """Fit a flow per level on good images, and push known anomalies behind its boundary.

        Raises:
            ModelError: if no good images are held out for the constants.
            SettingError: if a level would get too few positions to be trained.
            DivergedError: if training meets a number that is not finite.
        """
        # Here, not above: scoring needs no torch.
        from models.bgad.training import train_levels
        from models.features import LevelsGraph

        if data.held_out.count == 0:
            raise ModelError(
                "no good images are held out: BGAD takes its boundary and the levels' maxima from "
                "some that it was not trained on; add good images"
            )
        assert self._backbone is not None  # noqa: S101 - only a loaded one has none
        # A copy: on CUDA the graph is changed in place.
        net = copy.deepcopy(self._backbone)
        graph = LevelsGraph(net, self.parameters.neighbourhood)
        encoder = compile_graph(graph, net, *self.parameters.input_size, self._engine)
        levels, maps = train_levels(
            encoder.run,
            self._backbone.channels,
            data,
            self.parameters,
            seed=seed,
            device=self._engine.device,
            progress=progress,
            checkpoint=checkpoint,
        )
        self._remember(levels, Constants.from_maps(maps, self.parameters.beta))

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """Score (B, H, W, 3) RGB images of the input size.

        Scores are minus the log of the summed likelihoods, in nats, unclamped; an image's is its
        map's largest.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._graph is None:
            raise NotFittedError("BGAD has no flows: fit it, or load a trained model")
        maps = self._graph.run(images)[0]  # (B, H, W)
        return Scores(maps.max(axis=(1, 2)), maps)

    def save(self, folder: Path) -> None:
        """Write the flows with their constants, and the graph's files.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._graph is None:
            raise NotFittedError("BGAD has no flows to save: fit it first")
        (folder / FLOWS_FILE).write_bytes(self._flows)
        self._graph.save(folder)

    def _remember(self, levels: Sequence[LevelFlow], constants: Constants) -> None:
        from models.bgad.level import levels_to_bytes

        self._constants = constants
        self._flows = levels_to_bytes(levels, constants)
        net = copy.deepcopy(self._backbone)
        assert net is not None  # noqa: S101 - `fit` has checked
        graph = self._score_graph(net, levels, constants)
        self._graph = compile_graph(graph, net, *self.parameters.input_size, self._engine)

    def _rebuilt(self, folder: Path, constants: Constants) -> ScoreGraph:
        from models.backbone import restore_backbone
        from models.bgad.level import restore_levels

        strides = self.parameters.strides
        net = restore_backbone(self.parameters.backbone, strides, folder / WEIGHTS_FILE)
        levels = restore_levels(net.channels, self.parameters, self._flows)
        return self._score_graph(net, levels, constants)

    def _score_graph(
        self, net: Backbone, levels: Sequence[LevelFlow], constants: Constants
    ) -> ScoreGraph:
        from models.bgad.graph import ScoreGraph

        return ScoreGraph(net, levels, constants.maxima, self.parameters)
