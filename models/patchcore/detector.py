"""PatchCore as a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from models.anomaly_map import enlarge
from models.detector import Scores
from models.embedder import create_embedder, load_embedder
from models.errors import ArtifactError, NotFittedError
from models.hyperparameters import choose
from models.patchcore.parameters import PRESETS, PatchCoreParameters
from models.patchcore.reweighting import neighbour_weight
from models.patchcore.search import NeighbourSearch
from models.runtime.threads import limit_threads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.checkpoint import Checkpoint
    from models.detector import Preset, Progress, TrainingData
    from models.embedder import Embedder
    from models.runtime import Engine

BANK_FILE = "patchcore.safetensors"


class PatchCore:
    """Scores a patch by its squared distance to the nearest good one, an image by its worst."""

    name = "patchcore"

    def __init__(
        self,
        parameters: PatchCoreParameters,
        embedder: Embedder,
        engine: Engine,
        weights_sha256: str,
    ) -> None:
        """Use `create` or `load`."""
        self.parameters = parameters
        self.weights_sha256 = weights_sha256
        self._embedder = embedder
        self._engine = engine
        self._bank: NDArray[np.float32] | None = None
        self._chosen: NDArray[np.int64] | None = None
        self._search: NeighbourSearch | None = None

    @property
    def findings(self) -> dict[str, Any]:
        """The size of the memory bank."""
        return {} if self._bank is None else {"bank_patches": len(self._bank)}

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
        parameters = choose(PRESETS[preset], backbone, settings)
        embedder, sha256 = create_embedder(parameters.embedding(), engine, weights)
        return cls(parameters, embedder, engine, sha256)

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, engine: Engine) -> Self:
        """Read a fitted one from an artifact whose files were verified.

        Raises:
            ArtifactError: if the files are not PatchCore's.
        """
        parameters = PatchCoreParameters.from_manifest(manifest)
        embedder = load_embedder(parameters.embedding(), folder, engine)
        detector = cls(parameters, embedder, engine, manifest.weights_sha256)
        try:
            tensors = load_file(folder / BANK_FILE)
            detector._remember(tensors["bank"], tensors["chosen"])
        except (OSError, KeyError, SafetensorError) as exc:
            raise ArtifactError(
                f"{folder / BANK_FILE} holds no memory bank: {exc}; train the model again"
            ) from exc
        return detector

    def fit(
        self,
        data: TrainingData,
        *,
        seed: int,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Fill the memory bank with the coreset of all patches of good images."""
        # Here, not above: scoring needs no torch.
        from models.patchcore.bank import build_bank

        bank, chosen = build_bank(
            self._embedder.embed,
            data.normal,
            self.parameters,
            seed=seed,
            device=self._engine.device,
            progress=progress,
        )
        self._remember(bank, chosen)

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """Score (B, H, W, 3) RGB images of the input size; scores are squared distances, unclamped.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._search is None:
            raise NotFittedError("PatchCore has no memory bank: fit it, or load a trained model")
        embeddings = self._embedder.embed(images)  # (B, h, w, D)
        patches = embeddings.reshape(-1, embeddings.shape[-1])
        distances, rows = self._search.nearest(patches, self.parameters.neighbours)
        grid = distances.mean(axis=1).reshape(embeddings.shape[:3])  # (B, h, w)
        image_scores = grid.max(axis=(1, 2))
        if self.parameters.reweight:
            image_scores = self._reweighted(embeddings, distances, rows)
        return Scores(
            image_scores, enlarge(grid, *self.parameters.input_size, sigma=self.parameters.sigma)
        )

    def save(self, folder: Path) -> None:
        """Write the bank and the embedder's files.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._bank is None or self._chosen is None:
            raise NotFittedError("PatchCore has no memory bank to save: fit it first")
        (folder / BANK_FILE).write_bytes(save({"bank": self._bank, "chosen": self._chosen}))
        self._embedder.save(folder)

    def _remember(self, bank: NDArray[np.float32], chosen: NDArray[np.int64]) -> None:
        self._bank, self._chosen = bank, chosen
        self._search = NeighbourSearch(bank, device=self._engine.device)
        limit_threads(self._engine.threads)

    def _reweighted(
        self,
        embeddings: NDArray[np.float32],
        distances: NDArray[np.float32],
        rows: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """The paper's image scores, (B,): the worst patch's distance times its weight."""
        assert self._bank is not None  # noqa: S101 - score() has checked
        assert self._search is not None  # noqa: S101
        count, width = len(embeddings), embeddings.shape[-1]
        nearest = distances[:, 0].reshape(count, -1)  # (B, h * w)
        worst = nearest.argmax(axis=1)
        images = np.arange(count)
        patches = embeddings.reshape(count, -1, width)[images, worst]  # (B, D)
        matches = rows[:, 0].reshape(count, -1)[images, worst]  # (B,)
        neighbours = min(self.parameters.reweight_neighbours, len(self._bank))
        _, around = self._search.nearest(self._bank[matches], neighbours)  # (B, b)
        apart = patches[:, None].astype(np.float64) - self._bank[around]  # (B, b, D)
        distance = np.sqrt(nearest[images, worst].astype(np.float64))
        weight = neighbour_weight(distance, np.linalg.norm(apart, axis=2))
        scores: NDArray[np.float32] = (weight * distance).astype(np.float32)
        return scores
