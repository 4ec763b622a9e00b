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

    from models.patchcore.memory_bank import MemoryBank

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


def halves(left: int, right: int) -> np.ndarray:
    return np.concatenate([grey(left)[:, ::2], grey(right)[:, ::2]], axis=1)


def fitted(parameters: PatchCoreParameters, images: TrainingData, seed: int = 0) -> PatchCore:
    detector = PatchCore(parameters, Colours(), Engine("cpu", "openvino", 1), "00")
    detector.fit(images, seed=seed, progress=ignore)
    return detector


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 140, (SIZE, SIZE, 3), dtype=np.uint8)


def rows_of(detector: PatchCore) -> set[bytes]:
    return {row.tobytes() for row in detector._fitted().rows}


def rows_and_images(detector: PatchCore) -> list[tuple[list[float], int]]:
    bank = detector._fitted()
    return list(zip(bank.rows.tolist(), bank.source.tolist(), strict=True))


def assert_rows_are_of_their_images(bank: MemoryBank, images: list[np.ndarray]) -> None:
    for row, source in zip(bank.rows, bank.source, strict=True):
        assert (images[source] == row).all(axis=2).any()


def extend(detector: PatchCore, *images: np.ndarray, known: int, seed: int = 0) -> PatchCore:
    detector.extend(training_images(*images), known=known, seed=seed, progress=ignore)
    return detector


def bits_decided(detector: PatchCore, *images: np.ndarray) -> int:
    return detector._fastest(detector._fitted().rows, training_images(*images).held_out)[0]


def score(detector: PatchCore, image: np.ndarray) -> float:
    return float(detector.score(image[None]).image_scores[0])


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

    bank = detector._fitted()
    assert len(bank.rows) == len(bank.source) == int(5 * SIZE * SIZE * 0.1)
    assert len({row.tobytes() for row in bank.rows}) == len(bank.rows)
    assert_rows_are_of_their_images(bank, images)


def test_the_size_of_a_batch_does_not_change_the_bank() -> None:
    images = [noise(seed) for seed in range(5)]
    parameters = replace(PARAMETERS, coreset_fraction=0.2)

    one, five = (fitted(parameters, training_images(*images, batch=size)) for size in (1, 5))

    # The centre comes from the first batch: only bits differ, which must not turn a choice.
    assert rows_of(one) == rows_of(five)


def test_the_same_seed_gives_the_same_model() -> None:
    images = training_images(*(noise(seed) for seed in range(4)))
    parameters = replace(PARAMETERS, coreset_fraction=0.2)

    first, again, other = (fitted(parameters, images, seed)._fitted() for seed in (1, 1, 2))

    assert first.rows.tobytes() == again.rows.tobytes()
    assert first.rows.tobytes() != other.rows.tobytes()


def test_images_of_which_the_first_ones_are_flat_are_all_learnt() -> None:
    detector = fitted(PARAMETERS, training_images(grey(100), noise(0), batch=1))

    # A batch without any spread gives the choice no scale.
    assert [score(detector, image) for image in (grey(100), noise(0))] == [0, 0]


def test_new_images_are_normal_from_then_on_and_old_ones_stay_so() -> None:
    detector = fitted(PARAMETERS, training_images(grey(100)))
    # 3 * 18^2, then 3 * 2^2.
    assert score(detector, grey(118)) == pytest.approx(972)

    extend(detector, halves(120, 140), known=1)

    assert score(detector, grey(118)) == pytest.approx(12)
    assert score(detector, grey(100)) == score(detector, grey(140)) == 0
    assert sorted(detector._fitted().source.tolist()) == [0, 1, 1]
    assert detector.findings["bank_patches"] == 3


def test_a_bank_at_its_limit_drops_what_is_most_redundant() -> None:
    detector = fitted(replace(PARAMETERS, bank_limit=3), training_images(grey(100), grey(103)))

    extend(detector, halves(200, 240), known=2)

    # Whether 100 or 240 comes first: the other is farthest from it, and 103 is only 3 from 100.
    assert {row[0]: image for row, image in rows_and_images(detector)} == {100: 0, 200: 2, 240: 2}


def test_a_bank_below_its_limit_grows_by_the_new_patches_share() -> None:
    images = [noise(seed) for seed in range(7)]
    detector = fitted(replace(PARAMETERS, coreset_fraction=0.1), training_images(*images[:5]))

    extend(detector, *images[5:], known=5)

    bank = detector._fitted()
    assert len(bank.rows) == int(5 * SIZE * SIZE * 0.1) + int(2 * SIZE * SIZE * 0.1)
    assert set(bank.source.tolist()) == set(range(7))
    assert_rows_are_of_their_images(bank, images)


def test_the_same_seed_extends_alike() -> None:
    def extended(seed: int) -> bytes:
        old = fitted(replace(PARAMETERS, coreset_fraction=0.1), training_images(noise(0), noise(1)))
        return extend(old, noise(2), noise(3), known=2, seed=seed)._fitted().rows.tobytes()

    assert extended(1) == extended(1) != extended(2)


def test_what_only_a_forgotten_image_showed_is_anomalous() -> None:
    detector = fitted(PARAMETERS, training_images(grey(100), grey(120), grey(140)))
    assert score(detector, grey(120)) == 0

    detector.forget([1])

    assert score(detector, grey(120)) == pytest.approx(3 * 20**2)
    assert score(detector, grey(100)) == score(detector, grey(140)) == 0
    # The third image is the second now.
    assert {row[0]: image for row, image in rows_and_images(detector)} == {100: 0, 140: 1}


def test_an_image_that_was_added_can_be_forgotten() -> None:
    detector = fitted(PARAMETERS, training_images(grey(100)))
    before = rows_of(detector)

    extend(detector, halves(120, 140), known=1).forget([1])

    assert rows_of(detector) == before


def test_a_few_new_images_do_not_decide_on_the_precision() -> None:
    detector = fitted(PARAMETERS, training_images(noise(0)))
    detector._remember(detector._fitted(), 8)

    extend(detector, noise(1), known=1)

    # Alone it has no spread beside which 8 bits could seem fine; eight images have.
    assert bits_decided(detector, noise(1)) == 32
    assert detector.findings["search_bits"] == 8
    more = [noise(seed) for seed in range(2, 10)]
    extend(detector, *more, known=2)
    assert detector.findings["search_bits"] == bits_decided(detector, *more) == 32


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
    for use in (
        lambda: detector.save(tmp_path),
        lambda: extend(detector, grey(1), known=0),
        lambda: detector.forget([0]),
    ):
        with pytest.raises(NotFittedError, match="fit it first"):
            use()


def test_fewer_threads_are_asked_of_every_library() -> None:
    before = cv2.getNumThreads()
    fitted(PARAMETERS, training_images(grey(1)))

    import faiss

    assert (cv2.getNumThreads(), faiss.omp_get_max_threads()) == (1, 1)
    cv2.setNumThreads(before)
