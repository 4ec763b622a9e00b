"""The trained model and the encoded frames that several benchmarks share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from linewatch.demo.cells import interleave
from models.datasets import open_dataset
from models.training import train

DATA = "elpv:mono"


def trained(
    detector: str = "patchcore", data: str = DATA, *, name: str | None = None, **options: Any
) -> Path:
    """A model of the fast preset, seed 0; as it is, on the good monocrystalline cells.

    Trained once for all benchmarks of a machine; remove the folder to train anew.

    Args:
        name: of the folder; None: the detector's.
        options: of `train`.
    """
    folder = Path(tempfile.gettempdir()) / f"linewatch-bench-{name or detector}"
    if not (folder / "manifest.json").exists():
        train(data, detector=detector, out=folder, **options)
    return folder


def frames(count: int) -> list[tuple[bytes, str]]:
    """Held-out cells as (encoded bytes, media type), repeated up to `count`.

    Good and defective ones are mixed evenly: what is flagged takes more work than what passes.
    """
    cells = [(sample.read(), "image/png") for sample in interleave(open_dataset(DATA).test)]
    return [cells[i % len(cells)] for i in range(count)]
