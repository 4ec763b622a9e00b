"""Features are extracted once, in order, in memory or in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import feature_cache
from models.detector import TrainingImages
from models.errors import ModelError
from models.feature_cache import cache_features

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = np.random.default_rng(0).integers(0, 255, (5, 4, 4, 3), dtype=np.uint8)


def batches() -> Iterator[np.ndarray]:
    yield IMAGES[:2]
    yield IMAGES[2:4]
    yield IMAGES[4:]


def run(batch: np.ndarray) -> list[np.ndarray]:
    return [batch.astype(np.float32) / 2, batch[:, ::2, ::2].astype(np.float32)]


@pytest.mark.parametrize("limit", [2**30, 0])
def test_every_output_is_kept_in_order(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_IN_MEMORY", limit)
    told: list[tuple[str, int, int]] = []

    fine, coarse = cache_features(
        run, TrainingImages(5, batches, IMAGES.__getitem__), lambda *one: told.append(one)
    )

    np.testing.assert_array_equal(fine, IMAGES / 2)  # halves up to 127.5 are exact in float16
    np.testing.assert_array_equal(coarse, IMAGES[:, ::2, ::2])
    assert fine.dtype == coarse.dtype == np.float16
    assert isinstance(fine, np.memmap) == (limit == 0)
    assert told == [("features", 2, 5), ("features", 4, 5), ("features", 5, 5)]


@pytest.mark.parametrize("count", [4, 6])
def test_another_number_of_images_than_announced_is_refused(count: int) -> None:
    with pytest.raises(ModelError, match="images announced"):
        cache_features(run, TrainingImages(count, batches, IMAGES.__getitem__), lambda *_: None)
