"""An evaluation whose scores are known, on pictures that a test draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from models.artifact import Manifest
from models.calibration import Calibration, Thresholds
from models.datasets import open_dataset
from models.detector import Scores
from models.evaluation import evaluate_model_in_detail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from models.evaluation import Evaluation

MANIFEST = Manifest(
    format=1,
    detector="brightness",
    backbone="none",
    weights_sha256="",
    input_height=8,
    input_width=10,
    hyperparameters={},
    seed=7,
    calibration=Calibration(Thresholds(review=100.0, reject=150.0), 0.05, 0.01, 99),
    train_images=1,
    known_anomalies=["test/crack/9.png"],
    files={},
    code_version="0",
    map_thresholds=Thresholds(0.5, 1.5),
    findings={},
)


@dataclass
class Brightness:
    """Scores every pixel by its brightness, on maps of 8 x 10, and the image by its brightest."""

    manifest: Manifest = MANIFEST
    runtime: str = "torch"
    calls: list[int] = field(default_factory=list)

    @property
    def thresholds(self) -> Thresholds:
        return self.manifest.thresholds

    def score(self, images: Sequence[np.ndarray]) -> Scores:
        self.calls.append(len(images))
        maps = np.stack([cv2.resize(image[..., 0], (10, 8)) for image in images])
        return Scores(maps.max(axis=(1, 2)).astype(np.float32), maps.astype(np.float32))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty set but for one picture to train on."""
    _write(tmp_path / "set/train/good/0.png", 0)
    return tmp_path / "set"


@pytest.fixture
def evaluated(root: Path) -> Callable[..., Evaluation]:
    """Evaluates test pictures of one colour each, given by name and brightness."""

    def make(pictures: dict[str, int], *, masks: bool = False) -> Evaluation:
        for name, brightness in pictures.items():
            _write(root / "test" / f"{name}.png", brightness)
            if masks and not name.startswith("good/"):
                _write(root / "ground_truth" / f"{name}_mask.png", 255, slice(4, 8))
        return evaluate_model_in_detail(Brightness(), open_dataset(root))

    return make


def _write(path: Path, brightness: int, rows: slice = slice(None)) -> None:
    values = np.zeros((16, 20), np.uint8)
    values[rows] = brightness
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not cv2.imwrite: it crashes on names that are no Unicode.
    path.write_bytes(cv2.imencode(".png", values)[1].tobytes())
