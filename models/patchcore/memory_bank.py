"""The memory bank: patches of good images, and which image each came from. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from models.errors import ArtifactError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BANK_FILE = "patchcore.safetensors"
#: The source of patches in models that did not keep it.
_UNKNOWN = -1


@dataclass(frozen=True)
class MemoryBank:
    """What good patches look like."""

    #: (M, D), in the order of choice.
    rows: NDArray[np.float32]
    #: (M,), the place of each row's image among all images fitted on.
    source: NDArray[np.int32]

    def without(self, images: Sequence[int]) -> MemoryBank:
        """Drop the rows of some images; the images behind them move up.

        Raises:
            ModelError: if no row would remain.
        """
        gone = np.unique(np.asarray(images, dtype=np.int32))
        is_kept = ~np.isin(self.source, gone)
        if not is_kept.any():
            raise ModelError(
                "no patch would remain in the memory bank: forget fewer images, or train a new "
                "model"
            )
        source = self.source[is_kept]
        before = np.searchsorted(gone, source).astype(np.int32)
        return MemoryBank(self.rows[is_kept], source - before)

    def save(self, folder: Path) -> None:
        """Write it to its file in `folder`."""
        tensors = {"bank": self.rows, "source": self.source}
        (folder / BANK_FILE).write_bytes(save(tensors))

    @classmethod
    def load(cls, folder: Path) -> MemoryBank:
        """Read what `save` wrote.

        Raises:
            ArtifactError: if there is no memory bank.
        """
        try:
            tensors = load_file(folder / BANK_FILE)
            rows = tensors["bank"]
        except (OSError, KeyError, SafetensorError) as exc:
            raise ArtifactError(
                f"{folder / BANK_FILE} holds no memory bank: {exc}; train the model again"
            ) from exc
        unknown = np.full(len(rows), _UNKNOWN, dtype=np.int32)
        return cls(rows, tensors.get("source", unknown))
