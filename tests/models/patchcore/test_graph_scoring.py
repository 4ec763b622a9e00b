"""The search inside the graph: against every distance worked out in double precision."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from models.patchcore.graph_scoring import GraphScoring

SIDE = 6
FEATURES = 3


def embedding() -> openvino.Model:
    """A graph whose patches are single pixels."""
    pixels = ops.parameter([-1, SIDE, SIDE, FEATURES], np.uint8)
    return openvino.Model([ops.convert(pixels, "f32")], [pixels], "pixels")


def by_force(images: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Squared distances (B, h, w) of the patches to the nearest of the bank."""
    apart = images[..., None, :].astype(np.float64) - bank.astype(np.float64)
    return np.square(apart).sum(axis=-1).min(axis=-1)


@pytest.mark.parametrize("rows", [1, 7, 512, 1300])
@pytest.mark.parametrize("threads", [1, 2])
def test_worst_patches_are_exact_and_the_map_is_near(rows: int, threads: int) -> None:
    rng = np.random.default_rng(rows)
    bank = rng.uniform(80, 120, (rows, FEATURES)).astype(np.float32)
    images = rng.integers(0, 256, (5, SIDE, SIDE, FEATURES), dtype=np.uint8)

    grid, worst = GraphScoring(embedding(), bank, threads=threads).score(images)

    expected = by_force(images, bank)
    np.testing.assert_allclose(worst, expected.max(axis=(1, 2)), rtol=1e-4)
    assert grid.shape == (5, SIDE, SIDE)
    spread = bank.std() if rows > 1 else 1.0
    # Patches beyond the bank's range may be called farther than they are, hardly nearer.
    assert (grid > expected - 4 * spread).all()


def test_within_the_banks_range_the_map_errs_by_steps_of_the_bank() -> None:
    rng = np.random.default_rng(0)
    bank = rng.uniform(0, 255, (200, FEATURES)).astype(np.float32)
    images = rng.integers(0, 256, (4, SIDE, SIDE, FEATURES), dtype=np.uint8)

    grid, _ = GraphScoring(embedding(), bank, threads=1).score(images)

    # A step of 2 in a coordinate, at distances of up to 200 from the centre.
    error = grid - by_force(images, bank)
    assert np.sqrt(np.square(error).mean()) < 300
    assert abs(error.mean()) < 100


def test_a_patch_of_the_bank_is_at_no_distance() -> None:
    bank = np.array([[10, 20, 30], [200, 100, 50]], np.float32)
    image = np.full((1, SIDE, SIDE, FEATURES), (10, 20, 30), np.uint8)

    grid, worst = GraphScoring(embedding(), bank, threads=1).score(image)

    assert worst[0] == pytest.approx(0, abs=0.01)
    assert (grid >= 0).all()
