"""PatchCore as a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from models.detector import Scores
from models.embedder import create_embedder, load_embedder
from models.errors import NotFittedError
from models.hyperparameters import choose
from models.patchcore.memory_bank import MemoryBank
from models.patchcore.parameters import PRESETS, PatchCoreParameters
from models.runtime.threads import limit_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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

#: Held-out images from which their spread can be told, and with it whether 8 bits are enough.
_TELLING = 8


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
        self._bank: MemoryBank | None = None
        self._search_bits = 32
        self._scoring: GraphScoring | IndexScoring | None = None

    @property
    def findings(self) -> dict[str, Any]:
        """The size of the memory bank, and how precise the search in it must be."""
        if self._bank is None:
            return {}
        return {"bank_patches": len(self._bank.rows), "search_bits": self._search_bits}

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
        detector._remember(MemoryBank.load(folder), manifest.findings.get("search_bits", 32))
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
        self._fill(data, None, 0, seed, progress)

    def extend(self, data: TrainingData, *, known: int, seed: int, progress: Progress) -> None:
        """Take new good images into the memory bank, without those it was fitted on.

        Args:
            data: the new images.
            known: how many images it was fitted on before.
            seed: of every random choice.
            progress: told the stage, what is done of it, and its total.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        self._fill(data, self._fitted(), known, seed, progress)

    def forget(self, images: Sequence[int]) -> None:
        """Drop what the memory bank holds of some images, by their places in the fit.

        The images behind them move up. What only they showed is anomalous from then on; what others
        showed as well may have been left to them, and is a little more anomalous too.

        Raises:
            ModelError: if nothing would remain.
            NotFittedError: before `fit` or `load`.
        """
        self._remember(self._fitted().without(images), self._search_bits)

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """Score (B, H, W, 3) RGB images of the input size; scores are squared distances, unclamped.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        if self._scoring is None:
            raise NotFittedError("PatchCore has no memory bank: fit it, or load a trained model")
        grid, image_scores = self._scoring.score(images)
        return Scores(image_scores, grid, self.parameters.input_size, self.parameters.sigma)

    def save(self, folder: Path) -> None:
        """Write the bank and the embedder's files.

        Raises:
            NotFittedError: before `fit` or `load`.
        """
        self._fitted().save(folder)
        self._embedder.save(folder)

    def _fitted(self) -> MemoryBank:
        if self._bank is None:
            raise NotFittedError("PatchCore has no memory bank: fit it first, or load a model")
        return self._bank

    def _fill(
        self,
        data: TrainingData,
        before: MemoryBank | None,
        known: int,
        seed: int,
        progress: Progress,
    ) -> None:
        # Here, not above: scoring needs no torch.
        from models.patchcore.bank import build_bank

        limit_threads(self._engine.threads)
        bank = build_bank(
            self._embedder.embed,
            data.normal,
            self.parameters,
            seed=seed,
            device=self._engine.device,
            progress=progress,
            before=before,
            known=known,
        )
        if before is not None and data.held_out.count < _TELLING:
            # A bank to which little was added is searched as before.
            self._remember(bank, self._search_bits)
        else:
            self._remember(bank, *self._fastest(bank.rows, data.held_out))

    def _remember(
        self, bank: MemoryBank, bits: int, scoring: GraphScoring | IndexScoring | None = None
    ) -> None:
        self._bank, self._search_bits = bank, bits
        fast = bits == 8 and self._engine.runtime == "openvino" and self._is_plain
        self._scoring = scoring or (self._by_graph if fast else self._by_index)(bank.rows)
        limit_threads(self._engine.threads)

    def _fastest(
        self, rows: NDArray[np.float32], held_out: TrainingImages
    ) -> tuple[int, GraphScoring | IndexScoring]:
        """The bits that a search needs to be precise enough, 8 or 32, and what searches."""
        from models.patchcore.precision import eight_bits_suffice

        exact = self._by_index(rows)
        if self._is_plain:
            fast = self._by_graph(rows)
            if eight_bits_suffice(fast, exact, held_out):
                return 8, fast if self._engine.runtime == "openvino" else exact
        return 32, exact

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
