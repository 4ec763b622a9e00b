"""PatchCore on embeddings simple enough to work by hand: a patch is its pixel's colour."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from models.detector import TrainingData, TrainingImages
from models.errors import ModelError, NotFittedError
from models.patchcore.detector import PatchCore
from models.patchcore.parameters import PatchCoreParameters
from models.runtime import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 8
PARAMETERS = PatchCoreParameters(
    input_height=SIZE, input_width=SIZE, coreset_fraction=1.0, sigma=0.0
)


class Colours:
    """An embedder whose patches are single pixels."""

    def embed(self, images: np.ndarray) -> np.ndarray:
        return images.astype(np.float32)

    def prepare(self) -> None:
        pass

    def network(self) -> openvino.Model:
        pixels = ops.parameter([-1, SIZE, SIZE, 3], np.uint8)
        return openvino.Model([ops.convert(pixels, "f32")], [pixels], "colours")

    def save(self, folder: Path) -> None:
        (folder / "embedder").write_bytes(b"")


def ignore(stage: str, done: int, total: int) -> None:
    pass


def training_images(*images: np.ndarray, batch: int = 2) -> TrainingData:
    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(images), batch):
            yield np.stack(images[start : start + batch])

    given = TrainingImages(len(images), batches, lambda index: images[index])
    return TrainingData(given, given)


def grey(value: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), value, dtype=np.uint8)


def fitted(parameters: PatchCoreParameters, images: TrainingData, seed: int = 0) -> PatchCore:
    detector = PatchCore(parameters, Colours(), Engine("cpu", "openvino", 1), "00")
    detector.fit(images, seed=seed, progress=ignore)
    return detector


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 140, (SIZE, SIZE, 3), dtype=np.uint8)


def test_score_is_the_squared_distance_of_the_worst_patch() -> None:
    detector = fitted(PARAMETERS, training_images(grey(100), grey(120)))
    image = grey(118)
    image[2, 5] = (103, 104, 100)

    scores = detector.score(np.stack([image, grey(100)]))

    # Nearest to the spot is grey 100: 3^2 + 4^2 = 25. Elsewhere it is 120: 3 * 2^2 = 12.
    np.testing.assert_allclose(scores.image_scores, [25, 0], atol=1e-3)
    expected = np.full((SIZE, SIZE), 12.0)
    expected[2, 5] = 25
    np.testing.assert_allclose(scores.anomaly_maps[0], expected, atol=1e-3)


def test_several_neighbours_are_averaged() -> None:
    parameters = replace(PARAMETERS, neighbours=2)
    detector = fitted(parameters, training_images(grey(100), grey(120)))

    scores = detector.score(grey(102)[None])

    # The bank holds each colour once: (3 * 2^2 + 3 * 18^2) / 2 = (12 + 972) / 2.
    np.testing.assert_allclose(scores.image_scores, [492], rtol=1e-5)


def test_the_image_score_is_taken_before_the_map_is_smoothed() -> None:
    images = training_images(grey(100))
    image = grey(100)
    image[4, 4] = 110

    smooth = fitted(replace(PARAMETERS, sigma=1.0), images).score(image[None])

    np.testing.assert_allclose(smooth.image_scores, [300], rtol=1e-5)
    assert smooth.anomaly_maps.max() < 100


def test_reweighting_follows_the_papers_formula() -> None:
    parameters = replace(PARAMETERS, reweight=True, reweight_neighbours=2)
    detector = fitted(parameters, training_images(grey(100), grey(101), grey(200)))

    scores = detector.score(grey(99)[None])

    # The patch is sqrt(3) from 100, whose two neighbours are itself and 101, at 2 * sqrt(3).
    near, far = 3**0.5, 2 * 3**0.5
    weight = 1 - np.exp(near) / (np.exp(near) + np.exp(far))
    np.testing.assert_allclose(scores.image_scores, [weight * near], rtol=1e-4)


def test_the_bank_holds_the_chosen_share_of_real_patches() -> None:
    images = [noise(seed) for seed in range(5)]
    detector = fitted(replace(PARAMETERS, coreset_fraction=0.1), training_images(*images))

    patches = np.stack(images).reshape(-1, 3)
    np.testing.assert_array_equal(detector._bank, patches[detector._chosen])
    assert len(detector._chosen) == int(5 * SIZE * SIZE * 0.1)
    assert len(set(detector._chosen.tolist())) == len(detector._chosen)


def test_the_size_of_a_batch_does_not_change_the_bank() -> None:
    images = [noise(seed) for seed in range(5)]
    parameters = replace(PARAMETERS, coreset_fraction=0.2)

    one, five = (fitted(parameters, training_images(*images, batch=size)) for size in (1, 5))

    # The centre comes from the first batch: only bits differ, which must not turn a choice.
    assert set(one._chosen.tolist()) == set(five._chosen.tolist())


def test_the_same_seed_gives_the_same_model() -> None:
    images = training_images(*(noise(seed) for seed in range(4)))
    parameters = replace(PARAMETERS, coreset_fraction=0.2)

    first, again, other = (fitted(parameters, images, seed)._chosen.tolist() for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_progress_goes_through_its_stages_to_the_end() -> None:
    told: dict[str, tuple[int, int]] = {}
    detector = PatchCore(PARAMETERS, Colours(), Engine("cpu", "openvino", 1), "00")

    detector.fit(
        training_images(noise(0), noise(1), noise(2)),
        seed=0,
        progress=lambda stage, done, total: told.update({stage: (done, total)}),
    )

    assert list(told) == ["features", "coreset", "memory bank"]
    assert told["features"] == told["memory bank"] == (3, 3)


def test_images_that_do_not_come_are_missed() -> None:
    given = replace(training_images(noise(0)).normal, count=3)
    images = TrainingData(given, given)

    with pytest.raises(ModelError, match="expected 3 training images, at least one, and got 1"):
        fitted(PARAMETERS, images)


def test_an_unfitted_detector_says_so(tmp_path: Path) -> None:
    detector = PatchCore(PARAMETERS, Colours(), Engine("cpu", "openvino", 1), "00")

    with pytest.raises(NotFittedError, match="fit it, or load a trained model"):
        detector.score(grey(1)[None])
    with pytest.raises(NotFittedError, match="fit it first"):
        detector.save(tmp_path)


def test_fewer_threads_are_asked_of_every_library() -> None:
    before = cv2.getNumThreads()
    fitted(PARAMETERS, training_images(grey(1)))

    import faiss

    assert (cv2.getNumThreads(), faiss.omp_get_max_threads()) == (1, 1)
    cv2.setNumThreads(before)
