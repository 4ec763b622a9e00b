"""PatchCore as a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from models.anomaly_map import enlarge
from models.detector import Scores
from models.embedder import create_embedder, load_embedder
from models.errors import ArtifactError, NotFittedError
from models.hyperparameters import choose
from models.patchcore.parameters import PRESETS, PatchCoreParameters
from models.runtime.threads import limit_threads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.checkpoint import Checkpoint
    from models.detector import Preset, Progress, TrainingData, TrainingImages
    from models.embedder import Embedder
    from models.patchcore.graph_scoring import GraphScoring
    from models.patchcore.index_scoring import IndexScoring
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
        self._search_bits = 32
        self._scoring: GraphScoring | IndexScoring | None = None

    @property
    def findings(self) -> dict[str, Any]:
        """The size of the memory bank, and how precise the search in it must be."""
        if self._bank is None:
            return {}
        return {"bank_patches": len(self._bank), "search_bits": self._search_bits}

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
            bits = manifest.findings.get("search_bits", 32)
            detector._remember(tensors["bank"], tensors["chosen"], bits)
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
        self._remember(bank, chosen, self._bits(bank, data.held_out))

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """Score (B, H, W, 3) RGB images of the input size; scores are squared distances, unclamped.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._scoring is None:
            raise NotFittedError("PatchCore has no memory bank: fit it, or load a trained model")
        grid, image_scores = self._scoring.score(images)
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

    def _remember(self, bank: NDArray[np.float32], chosen: NDArray[np.int64], bits: int) -> None:
        self._bank, self._chosen, self._search_bits = bank, chosen, bits
        fast = bits == 8 and self._engine.runtime == "openvino" and self._is_plain
        self._scoring = self._by_graph(bank) if fast else self._by_index(bank)
        limit_threads(self._engine.threads)

    def _bits(self, bank: NDArray[np.float32], held_out: TrainingImages) -> int:
        """How precise the search must be: 8 or 32."""
        from models.patchcore.precision import eight_bits_suffice

        if not self._is_plain:
            return 32
        fast, exact = self._by_graph(bank), self._by_index(bank)
        return 8 if eight_bits_suffice(fast, exact, held_out) else 32

    @property
    def _is_plain(self) -> bool:
        return self.parameters.neighbours == 1 and not self.parameters.reweight

    # Imported there: a worker loads either OpenVINO or faiss.
    def _by_graph(self, bank: NDArray[np.float32]) -> GraphScoring:
        from models.patchcore.graph_scoring import GraphScoring

        return GraphScoring(self._embedder.network(), bank, threads=self._engine.threads)

    def _by_index(self, bank: NDArray[np.float32]) -> IndexScoring:
        from models.patchcore.index_scoring import IndexScoring

        self._embedder.prepare()
        return IndexScoring(self._embedder, bank, self.parameters, self._engine.device)
