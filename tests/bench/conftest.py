"""A tiny image set that several tests of benchmarks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two good images to train on; two good, four scratched and four dented ones to test."""
    root = tmp_path / "parts"
    counts = {"train/good": 2, "test/good": 2, "test/dent": 4, "test/scratch": 4}
    for place, count in counts.items():
        (root / place).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(root / place / f"{number}.png"), np.full((4, 4), number, np.uint8))
    return root
