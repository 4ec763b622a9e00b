"""Networks that are captured and replayed, with a stand-in for the GPU's capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models.runtime.captured import LARGEST, CapturedNetwork, bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from models.runtime.captured import Run

HEIGHT, WIDTH = 6, 5


class CpuCapture:
    """As a CUDA graph does: every replay reads the same memory and overwrites the same results."""

    def __init__(self) -> None:
        self.captures = 0

    def __call__(self, run: Run) -> tuple[Callable[[], None], list[Tensor]]:
        self.captures += 1
        outputs = run()

        def replay() -> None:
            for output, value in zip(outputs, run(), strict=True):
                output.copy_(value)

        return replay, outputs


def network(pixels: Tensor) -> list[Tensor]:
    """A map and a score, each image for itself."""
    grid = pixels.float().mean(dim=3).sqrt()  # (B, H, W)
    return [grid, grid.amax(dim=(1, 2))]


def captured(network: Callable[[Tensor], list[Tensor]] = network) -> CapturedNetwork:
    return CapturedNetwork(network, "cpu", CpuCapture())


def images(count: int, seed: int = 0) -> np.ndarray:
    shape = (count, HEIGHT, WIDTH, 3)
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def plain(batch: np.ndarray) -> list[np.ndarray]:
    return [output.numpy() for output in network(torch.from_numpy(batch.copy()))]


@pytest.mark.parametrize(
    ("count", "bucket"),
    [(0, 1), (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (33, 64), (63, 64), (64, 64)],
)
def test_the_next_power_of_two_is_taken(count: int, bucket: int) -> None:
    assert bucket_of(count) == bucket


def test_any_number_of_images_gives_the_plain_networks_numbers() -> None:
    ours = captured()

    # Falling, so that images of earlier calls lie behind those of most calls.
    for count in [*range(LARGEST + 1, 0, -1), 2 * LARGEST + 3, 1, 0]:
        batch = images(count, seed=count)
        for value, expected in zip(ours.run(batch), plain(batch), strict=True):
            assert value.dtype == np.float32
            np.testing.assert_array_equal(value, expected)


def test_a_network_is_captured_once_for_each_bucket() -> None:
    seen: list[int] = []

    def noting(pixels: Tensor) -> list[Tensor]:
        seen.append(len(pixels))
        return network(pixels)

    capture = CpuCapture()
    ours = CapturedNetwork(noting, "cpu", capture)
    for count in (*range(1, LARGEST + 1), 3, 200):
        ours.run(images(count))

    assert capture.captures == 7
    assert set(seen) == {1, 2, 4, 8, 16, 32, 64}


def test_results_of_earlier_calls_stay_as_they_are() -> None:
    ours = captured()
    batches = [images(count, seed) for seed, count in enumerate([4, 3, 4, 1, 4, 130, 64, 130])]

    results = [ours.run(batch) for batch in batches]

    for batch, result in zip(batches, results, strict=True):
        for value, expected in zip(result, plain(batch), strict=True):
            np.testing.assert_array_equal(value, expected)
    values = [value for result in results for value in result]
    for index, value in enumerate(values):
        assert not any(np.shares_memory(value, other) for other in values[index + 1 :])


def test_results_are_no_larger_than_the_batch() -> None:
    # A view of a whole bucket would keep its memory for as long as somebody keeps the scores.
    grid, scores = captured().run(images(5))

    assert grid.nbytes == 5 * HEIGHT * WIDTH * 4
    base = grid if grid.base is None else grid.base
    assert getattr(base, "nbytes", grid.nbytes) == grid.nbytes
    assert scores.shape == (5,)


def test_a_view_with_gaps_is_taken_and_left_as_it_is() -> None:
    whole = images(6)
    before = whole.copy()
    mirrored = whole[::2, :, ::-1]

    ours = captured().run(mirrored)

    np.testing.assert_array_equal(ours[0], plain(mirrored)[0])
    np.testing.assert_array_equal(whole, before)


def test_images_of_another_size_are_captured_for_themselves() -> None:
    ours = captured()
    ours.run(images(2))
    other = images(2)[:, :4]

    np.testing.assert_array_equal(ours.run(other)[0], plain(other)[0])
