"""A detector that fits in a millisecond: how bright the brightest pixel is. Good parts are dim."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from models import detector
from models.detector import Scores
from models.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.checkpoint import Checkpoint
    from models.detector import Preset, Progress, TrainingData
    from models.runtime import Engine

FILE = "brightness.json"


class Brightness:
    """Scores an image by its brightest pixel, 0 to 1; what it was shown as defective is written."""

    name = "brightness"
    weights_sha256 = "0" * 64

    def __init__(self, parameters: Hyperparameters) -> None:
        self.parameters = parameters
        self.findings: dict[str, Any] = {}

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
        chosen = Hyperparameters(backbone="none").changed(settings or {})
        return cls(chosen)

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, engine: Engine) -> Self:
        json.loads((folder / FILE).read_text())
        return cls(Hyperparameters.from_manifest(manifest))

    def fit(
        self,
        data: TrainingData,
        *,
        seed: int,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        done = 0
        for batch in data.normal.batches():
            done += len(batch)
            progress("fitting", done, data.normal.count)

    def score(self, images: NDArray[np.uint8]) -> Scores:
        brightest = images.max(axis=(1, 2, 3)).astype(np.float32) / 255
        maps = images.max(axis=3).astype(np.float32) / 255
        return Scores(brightest, maps)

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text("{}")


def register() -> None:
    """Let it be found by its name, also by a module that was loaded from its file."""
    sys.modules.setdefault("brightness_detector", sys.modules[__name__])
    detector._DETECTORS["brightness"] = ("brightness_detector", "Brightness")
