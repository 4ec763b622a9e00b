"""CutPaste + PatchCore as a detector, and what CutSwap + PatchCore has in common with it."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from models.cutpaste.parameters import PRESETS, CutPasteParameters, TuningParameters
from models.embedder import build_embedder
from models.errors import ModelError, NotFittedError
from models.hyperparameters import choose
from models.patchcore.detector import PatchCore
from models.runtime.threads import limit_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.backbone import Backbone
    from models.checkpoint import Checkpoint
    from models.cutpaste.batches import Augmentation
    from models.detector import Preset, Progress, Scores, TrainingData, TrainingImages
    from models.runtime import Engine


class TunedPatchCore:
    """PatchCore on a backbone that was tuned to tell good images from wrong ones."""

    name: ClassVar[str]
    presets: ClassVar[Mapping[Preset, TuningParameters]]
    parameters: TuningParameters

    def __init__(
        self,
        parameters: TuningParameters,
        engine: Engine,
        weights_sha256: str,
        *,
        backbone: Backbone | None = None,
        patchcore: PatchCore | None = None,
        findings: Mapping[str, Any] | None = None,
    ) -> None:
        """Use `create`, which gives a backbone to tune, or `load`, which a fitted PatchCore."""
        self.parameters = parameters
        self.weights_sha256 = weights_sha256
        self._engine = engine
        self._backbone = backbone
        self._patchcore = patchcore
        self._findings = dict(findings or {})

    @property
    def findings(self) -> dict[str, Any]:
        """The budget of the tuning, how well it went, and the size of the memory bank."""
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
        """
        from models.backbone import load_backbone

        parameters = choose(cls.presets[preset], backbone, settings)
        net = load_backbone(parameters.backbone, parameters.tuned_strides, weights=weights)
        detector = cls(parameters, engine, net.weights_sha256(), backbone=net)
        detector._prepare(weights)
        return detector

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, engine: Engine) -> Self:
        """Read a fitted one from an artifact whose files were verified.

        Raises:
            ArtifactError: if the files are not such a detector's.
        """
        parameters = type(cls.presets["fast"]).from_manifest(manifest)
        own = replace(manifest, hyperparameters=parameters.patchcore().stored())
        return cls(
            parameters,
            engine,
            manifest.weights_sha256,
            patchcore=PatchCore.load(folder, own, engine),
            findings=manifest.findings,
        )

    def fit(
        self,
        data: TrainingData,
        *,
        seed: int,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Tune the backbone on good images and wrong ones made of them, then fill the memory bank.

        Raises:
            DivergedError: if the tuning meets a number that is not finite.
            ModelError: if there are no images.
            NotFittedError: if this one was loaded: there is no pretrained backbone to tune.
        """
        from models.cutpaste.batches import Batches
        from models.cutpaste.tuning import Tuning

        if self._backbone is None:
            raise NotFittedError(f"a loaded {self.name} cannot be fitted: create a new one")
        limit_threads(self._engine.threads)
        images = _all_images(data.normal)
        augment = self._augmentation(images, seed, progress)
        backbone = copy.deepcopy(self._backbone)
        batches = Batches(images, augment, self.parameters, seed)
        tuning = Tuning(backbone, batches, self.parameters, seed=seed, device=self._engine.device)
        told = tuning.run(progress, checkpoint)
        del tuning, batches, images
        parameters = self.parameters.patchcore()
        embedder = build_embedder(
            parameters.embedding(), backbone.cpu().cut(parameters.strides), self._engine
        )
        patchcore = PatchCore(parameters, embedder, self._engine, self.weights_sha256)
        patchcore.fit(data, seed=seed, progress=progress)
        self._patchcore = patchcore
        self._findings = self._findings | told | augment.findings | patchcore.findings

    def extend(self, data: TrainingData, *, known: int, seed: int, progress: Progress) -> None:
        """Take new good images into the memory bank; the backbone stays as it was tuned.

        See `PatchCore.extend`.
        """
        patchcore = self._fitted()
        patchcore.extend(data, known=known, seed=seed, progress=progress)
        self._findings |= patchcore.findings

    def forget(self, images: Sequence[int]) -> None:
        """Drop what the memory bank holds of some images; see `PatchCore.forget`."""
        patchcore = self._fitted()
        patchcore.forget(images)
        self._findings |= patchcore.findings

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """Score (B, H, W, 3) RGB images of the input size, as PatchCore does.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        return self._fitted().score(images)

    def save(self, folder: Path) -> None:
        """Write the memory bank and the tuned backbone.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        self._fitted().save(folder)

    def _prepare(self, weights: Path | None) -> None:
        """Load what else is needed to make wrong images."""

    def _augmentation(
        self, images: NDArray[np.uint8], seed: int, progress: Progress
    ) -> Augmentation:
        """What makes wrong images of these (N, H, W, 3) good ones."""
        raise NotImplementedError

    def _fitted(self) -> PatchCore:
        if self._patchcore is None:
            raise NotFittedError(
                f"{self.name} has no memory bank: fit it first, or load a trained model"
            )
        return self._patchcore


class CutPaste(TunedPatchCore):
    """The baseline: patches and scars pasted anywhere."""

    name = "cutpaste"
    presets = PRESETS
    parameters: CutPasteParameters

    def _augmentation(
        self, images: NDArray[np.uint8], seed: int, progress: Progress
    ) -> Augmentation:
        return Pasting(self.parameters)


class Pasting:
    """CutPaste's augmentation."""

    def __init__(self, parameters: TuningParameters) -> None:
        """Take scars and jitter from `parameters`."""
        self.tally: Counter[str] = Counter()
        self.findings: dict[str, Any] = {}
        self._parameters = parameters

    def __call__(
        self, image: NDArray[np.uint8], index: int, rng: Generator
    ) -> list[NDArray[np.uint8]]:
        """A pasted patch, and a pasted scar where those are wanted; see `Augmentation`."""
        from models.cutpaste.augmentation import cut_paste, cut_paste_scar

        kinds = [cut_paste, cut_paste_scar] if self._parameters.scar else [cut_paste]
        return [kind(image, rng, patch_jitter=self._parameters.patch_jitter) for kind in kinds]


def _all_images(given: TrainingImages) -> NDArray[np.uint8]:
    """(N, H, W, 3): tuning goes through the images many times."""
    batches = list(given.batches())
    if sum(map(len, batches)) != given.count or not batches:
        raise ModelError(
            f"expected {given.count} training images, at least one, and got "
            f"{sum(map(len, batches))}"
        )
    return np.concatenate(batches)
