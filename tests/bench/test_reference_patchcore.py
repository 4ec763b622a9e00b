from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from bench.reference_patchcore import Features, distances, greedy
from models.datasets import Sample

if TYPE_CHECKING:
    from pathlib import Path


class FirstPoint:
    """Draws index 1."""

    def integers(self, _: int) -> int:
        return 1


def test_the_farthest_point_is_chosen_next() -> None:
    points = np.array([[0.0], [1.0], [5.0], [11.0]], np.float32)

    # From 1 the farthest is 11; then 5 is 4 from 1 and 6 from 11, 0 is 1 from 1.
    assert greedy(points, 4, FirstPoint()) == [1, 3, 2, 0]  # type: ignore[arg-type]


def test_distances_are_squared_and_to_the_nearest() -> None:
    patches = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    bank = np.array([[0.0, 1.0], [3.0, 0.0]], np.float32)

    np.testing.assert_allclose(distances(patches, bank), [1.0, 16.0])


@pytest.mark.slow
def test_features_are_those_of_the_program(tmp_path: Path) -> None:
    from models.embedder import create_embedder
    from models.patchcore.parameters import PRESETS
    from models.preprocessing import to_batch
    from models.runtime import Engine

    file = tmp_path / "part.png"
    cv2.imwrite(str(file), np.random.default_rng(0).integers(0, 256, (300, 320, 3), np.uint8))
    sample = Sample("part.png", file, "good", None, "test")
    embedder, _ = create_embedder(PRESETS["fast"].embedding(), Engine("cpu", "openvino", 1))

    ours = embedder.embed(to_batch([sample.image()], 256, 256))[0]

    np.testing.assert_allclose(
        Features().of(sample), ours.reshape(-1, ours.shape[-1]), rtol=0, atol=2e-3
    )
