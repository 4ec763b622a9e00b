"""Any number of images on a network that is captured for a few fixed numbers of them.

A captured network takes nothing but the number it was captured for, so batches are filled up to the
next of these numbers, and what came too much is cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

#: Largest number of images a network is captured for; the others are 1, 2, 4 and so on.
LARGEST = 64


class Replay(Protocol):
    """A network captured for one number of images."""

    #: (bucket, H, W, 3) uint8: where it reads the images from.
    pixels: NDArray[np.uint8]

    def __call__(self, count: int) -> list[NDArray[np.float32]]:
        """Run on `pixels`; the results of the first `count`, (count, ...) each, in new memory."""
        ...


class Buckets:
    """Runs batches on the captured network they fit best, capturing it when it is first needed."""

    def __init__(self, capture: Callable[[tuple[int, ...]], Replay]) -> None:
        """Capture with `capture`, which is given the shape (bucket, H, W, 3)."""
        self._capture = capture
        self._replays: dict[tuple[int, ...], Replay] = {}

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run (B, H, W, 3) images; one (B, ...) array an output."""
        starts = range(0, max(1, len(images)), LARGEST)
        parts = [self._run_bucket(images[start : start + LARGEST]) for start in starts]
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _run_bucket(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        count = len(images)
        shape = (bucket_of(count), *images.shape[1:])
        if shape not in self._replays:
            self._replays[shape] = self._capture(shape)
        replay = self._replays[shape]
        # What lies behind are images of earlier calls: each is scored by itself, whatever they are.
        replay.pixels[:count] = images
        return replay(count)


def bucket_of(count: int) -> int:
    """The smallest power of two that holds `count` images; 1 for none."""
    return 1 << max(0, count - 1).bit_length()
