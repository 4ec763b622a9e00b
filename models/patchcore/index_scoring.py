"""PatchCore by a faiss index, in 32-bit floats: for torch's embeddings, and for the reweighting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.patchcore.reweighting import neighbour_weight
from models.patchcore.search import NeighbourSearch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.embedder import Embedder
    from models.patchcore.parameters import PatchCoreParameters
    from models.runtime import Device


class IndexScoring:
    """Scores by any number of neighbours, with or without the paper's weight."""

    def __init__(
        self,
        embedder: Embedder,
        bank: NDArray[np.float32],
        parameters: PatchCoreParameters,
        device: Device,
    ) -> None:
        """Index `bank`, (N, D).

        Raises:
            ModelError: if faiss is not installed.
        """
        self._embedder = embedder
        self._bank = bank
        self._parameters = parameters
        self._search = NeighbourSearch(bank, device=device)

    def score(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Squared distances of the patches, (B, h, w), and image scores, (B,)."""
        embeddings = self._embedder.embed(images)  # (B, h, w, D)
        patches = embeddings.reshape(-1, embeddings.shape[-1])
        distances, rows = self._search.nearest(patches, self._parameters.neighbours)
        grid = distances.mean(axis=1).reshape(embeddings.shape[:3])  # (B, h, w)
        if self._parameters.reweight:
            return grid, self._reweighted(embeddings, distances, rows)
        return grid, grid.max(axis=(1, 2))

    def _reweighted(
        self,
        embeddings: NDArray[np.float32],
        distances: NDArray[np.float32],
        rows: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """The paper's image scores, (B,): the worst patch's distance times its weight."""
        count, width = len(embeddings), embeddings.shape[-1]
        nearest = distances[:, 0].reshape(count, -1)  # (B, h * w)
        worst = nearest.argmax(axis=1)
        images = np.arange(count)
        patches = embeddings.reshape(count, -1, width)[images, worst]  # (B, D)
        matches = rows[:, 0].reshape(count, -1)[images, worst]  # (B,)
        neighbours = min(self._parameters.reweight_neighbours, len(self._bank))
        _, around = self._search.nearest(self._bank[matches], neighbours)  # (B, b)
        apart = patches[:, None].astype(np.float64) - self._bank[around]  # (B, b, D)
        distance = np.sqrt(nearest[images, worst].astype(np.float64))
        weight = neighbour_weight(distance, np.linalg.norm(apart, axis=2))
        scores: NDArray[np.float32] = (weight * distance).astype(np.float32)
        return scores
