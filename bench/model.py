"""The trained model and the encoded frames that several benchmarks share."""

from __future__ import annotations

import tempfile
from pathlib import Path

from models.datasets import open_dataset
from models.training import train

DATA = "elpv:mono"
#: Trained once for all benchmarks of a machine; remove the folder to train anew.
FOLDER = Path(tempfile.gettempdir()) / "linewatch-bench-patchcore"


def trained() -> Path:
    """PatchCore, fast preset, seed 0, on the good monocrystalline cells."""
    if not (FOLDER / "manifest.json").exists():
        train(DATA, out=FOLDER)
    return FOLDER


def frames(count: int) -> list[tuple[bytes, str]]:
    """Held-out cells as (encoded bytes, media type), good and defective, repeated up to `count`."""
    cells = [(sample.read(), "image/png") for sample in open_dataset(DATA).test]
    return [cells[i % len(cells)] for i in range(count)]
