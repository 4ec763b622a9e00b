"""Samples of an image set as a detector's training takes them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from models.detector import KnownAnomaly, TrainingImages
from models.errors import DatasetError
from models.preprocessing import to_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.datasets import Sample

_BATCH = 8
#: Reading and decoding run beside the graph, which leaves little of more than two threads.
_READERS = 2


def training_images(samples: Sequence[Sample], height: int, width: int) -> TrainingImages:
    """Good samples, resized to `height` and `width` where batches are asked for."""
    return TrainingImages(
        count=len(samples),
        batches=lambda: _batches(samples, height, width),
        read=lambda index: samples[index].image(),
    )


def known_anomaly(sample: Sample) -> KnownAnomaly:
    """Read a defective sample with its mask.

    Raises:
        DatasetError: naming the file, if it cannot be read, or its mask is empty or of another
            size.
    """
    image = sample.image()
    mask = sample.mask(image.shape[0], image.shape[1])
    if mask is not None and not mask.any():
        raise DatasetError(
            f"mask {sample.mask_path} marks no pixel of a part that is called defective: "
            "draw the defect, or take the picture out of the set"
        )
    return KnownAnomaly(sample.name, image, mask)


def _batches(samples: Sequence[Sample], height: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """Decode and resize one batch ahead of the one that is worked on."""

    def read(sample: Sample) -> NDArray[np.uint8]:
        return to_batch([sample.image()], height, width)

    with ThreadPoolExecutor(_READERS) as pool:
        ahead = [pool.submit(read, sample) for sample in samples[:_BATCH]]
        for start in range(0, len(samples), _BATCH):
            current = ahead
            following = samples[start + _BATCH : start + 2 * _BATCH]
            ahead = [pool.submit(read, sample) for sample in following]
            yield np.concatenate([future.result() for future in current])
