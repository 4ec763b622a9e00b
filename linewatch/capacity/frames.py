"""The encoded pictures that are scored: some of a data set, or synthetic ones."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, median_low
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ingest.encoding import Encoder
from ingest.frame import Frame
from ingest.sources.picture import Picture
from models.datasets import open_dataset
from models.images import media_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Pictures of a data set that are used at most, in number and together in bytes: every scoring
#: process holds them.
MAX_PICTURES = 64
MAX_BYTES = 128 * 1024 * 1024
SYNTHETIC_PICTURES = 16


@dataclass(frozen=True)
class BenchFrames:
    """What the cameras are taken to send."""

    #: The data set's name; None for synthetic ones.
    source: str | None
    #: At least one.
    frames: list[Frame]
    #: H and W of a picture of middling size.
    height_px: int
    width_px: int

    @property
    def is_synthetic(self) -> bool:
        """Whether no real picture is among them."""
        return self.source is None

    @property
    def mean_bytes(self) -> int:
        """Mean size of an encoded picture."""
        return round(mean(len(frame.image) for frame in self.frames))


def read_frames(data: str) -> BenchFrames:
    """Pictures of a data set as they are encoded there, spread evenly over its test images.

    Args:
        data: what `open_dataset` takes.

    Raises:
        DatasetError: if the set cannot be opened, or one of the pictures not be read.
    """
    dataset = open_dataset(data)
    samples = dataset.test or dataset.train
    pictures: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    for sample in samples[:: -(-len(samples) // MAX_PICTURES)]:
        height, width, _ = sample.image().shape
        encoded = sample.read()
        if pictures and sum(map(len, pictures)) + len(encoded) > MAX_BYTES:
            break
        pictures.append(encoded)
        sizes.append((height, width))
    middle = median_low([(height * width, height, width) for height, width in sizes])
    return _bench_frames(dataset.name, pictures, *middle[1:])


def synthetic_frames(height: int, width: int) -> BenchFrames:
    """Pictures with soft spots and grain, encoded as cameras' are by default: JPEG, quality 95."""
    rng = np.random.default_rng(0)
    encoder = Encoder()
    pictures = [
        encoder.encode(Picture(_synthetic(rng, height, width)))[0]
        for _ in range(SYNTHETIC_PICTURES)
    ]
    return _bench_frames(None, pictures, height, width)


def _synthetic(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    spots = rng.uniform(60, 200, (8, 8, 3)).astype(np.float32)
    smooth = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 3, (height, width, 1)).astype(np.float32)
    array: NDArray[np.uint8] = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    return array


def _bench_frames(
    source: str | None, pictures: list[bytes], height: int, width: int
) -> BenchFrames:
    frames = [
        Frame.capture("bench", "camera", index, encoded, media_type(encoded))
        for index, encoded in enumerate(pictures)
    ]
    return BenchFrames(source, frames, height, width)
