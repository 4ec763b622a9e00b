"""Nearest neighbours of patches in the memory bank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.errors import ShapeError
from models.patchcore.faiss_loading import load_faiss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.runtime import Device


class NeighbourSearch:
    """Exact search in a memory bank, by squared Euclidean distance."""

    def __init__(self, bank: NDArray[np.float32], *, device: Device = "cpu") -> None:
        """Index `bank`, (N, D); on CUDA only with the GPU build of faiss, otherwise on the CPU.

        Raises:
            ModelError: if faiss is not installed.
            ShapeError: if `bank` is empty or not two-dimensional.
        """
        if bank.ndim != 2 or len(bank) == 0:
            raise ShapeError(f"memory bank has shape {bank.shape}, expected (N, D) with N >= 1")
        faiss = load_faiss()
        # faiss expands the square: with a common offset, differences drown in rounding.
        self._centre = bank.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._index = faiss.IndexFlatL2(bank.shape[1])
        self._index.add(np.ascontiguousarray(bank - self._centre))
        if device == "cuda" and hasattr(faiss, "StandardGpuResources"):
            self._resources = faiss.StandardGpuResources()
            self._index = faiss.index_cpu_to_gpu(self._resources, 0, self._index)

    def nearest(
        self, patches: NDArray[np.float32], count: int = 1
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the `count` nearest bank rows of each of (P, D) patches, or all if there are fewer.

        Returns:
            Squared distances, >= 0, nearest first, and bank rows; both (P, count).
        """
        if patches.ndim != 2 or patches.shape[1] != self._index.d:
            raise ShapeError(f"patches have shape {patches.shape}, expected (P, {self._index.d})")
        count = min(count, self._index.ntotal)
        distances, rows = self._index.search(np.ascontiguousarray(patches - self._centre), count)
        return np.maximum(distances, 0), rows
