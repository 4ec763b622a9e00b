"""A trained model, ready to score images of any size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.artifact import verify
from models.detector import Scores, detector_class
from models.preprocessing import to_batch
from models.runtime import choose_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.calibration import Thresholds
    from models.detector import Detector
    from models.runtime import Device, Engine

#: Images scored at once, however many are given. More take memory, and on a CPU give no speed:
#: 8 took 280 MiB and 32 took 660 MiB in all, with 4 ms an image for 1, 8 and 32. On a GPU, the
#: largest number a network is captured for.
_MAX_BATCH: dict[Device, int] = {"cpu": 8, "cuda": 64}


class Scorer:
    """Scores images with one model version."""

    def __init__(self, detector: Detector, manifest: Manifest, engine: Engine) -> None:
        """Use `load_scorer`."""
        self._detector = detector
        self._max_batch = _MAX_BATCH[engine.device]
        #: What the model is.
        self.manifest = manifest
        #: What runs it: `openvino` or `torch`.
        self.runtime: str = engine.runtime

    @property
    def thresholds(self) -> Thresholds:
        """Where the verdicts begin."""
        return self.manifest.thresholds

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        """Score (H, W, 3) uint8 RGB images, each of its own size.

        Returns:
            Raw image scores, and what gives anomaly maps at the model's input size.

        Raises:
            ShapeError: if an image is not (H, W, 3) uint8.
        """
        height, width = self._detector.parameters.input_size
        parts = [
            self._detector.score(to_batch(images[start : start + self._max_batch], height, width))
            for start in range(0, len(images), self._max_batch)
        ]
        if not parts:
            nothing = np.empty((0, height, width), dtype=np.float32)
            return Scores(np.empty(0, dtype=np.float32), nothing)
        return replace(
            parts[0],
            image_scores=np.concatenate([part.image_scores for part in parts]),
            patch_scores=np.concatenate([part.patch_scores for part in parts]),
        )


def load_scorer(
    folder: str | Path,
    *,
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
) -> Scorer:
    """Read a trained model, after comparing every file with its hash.

    Args:
        folder: what `train` wrote.
        device: auto, cpu or cuda.
        runtime: auto, openvino or torch; auto is torch on CUDA and OpenVINO on a CPU.
        threads: CPU threads that scoring may use in this process; None leaves it to the libraries.

    Raises:
        ArtifactError: if the folder is no model, was changed, or is another version's.
        ModelError: if device or runtime are not to be had.
    """
    folder = Path(folder)
    manifest = verify(folder)
    engine = choose_engine(device, runtime, threads)
    detector = detector_class(manifest.detector).load(folder, manifest, engine)
    return Scorer(detector, manifest, engine)
