"""Feature levels of training images, extracted once: the backbone is frozen."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from models.detector import Progress, TrainingImages

#: Above this the features are kept in a temporary file that the system pages in and out.
_IN_MEMORY = 2**30


def cache_features(
    run: Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]],
    images: TrainingImages,
    progress: Progress,
    *,
    stage: str = "features",
) -> list[NDArray[np.float16]]:
    """Extract the features of all images, in half precision.

    Args:
        run: gives the outputs of a (B, H, W, 3) batch, each (B, ...).
        images: gone through once, at least one.
        progress: told of `stage`.
        stage: what this work is called.

    Returns:
        One (images, ...) array an output, in the order of the images.

    Raises:
        ModelError: if the images are not as many as announced.
    """
    caches: list[NDArray[np.float16]] = []
    done = 0
    for batch in images.batches():
        if done + len(batch) > images.count:
            raise ModelError(f"{images.count} training images announced, but more came")
        outputs = run(batch)
        if not caches:
            caches = [half_precision_room((images.count, *output.shape[1:])) for output in outputs]
        for cache, output in zip(caches, outputs, strict=True):
            cache[done : done + len(batch)] = output
        done += len(batch)
        progress(stage, done, images.count)
    if done == 0 or done != images.count:
        raise ModelError(f"{images.count} training images announced, {done} came")
    return caches


def half_precision_room(shape: tuple[int, ...]) -> NDArray[np.float16]:
    """An array to be filled: in memory, or where that would be large in a file without a name."""
    if 2 * int(np.prod(shape)) <= _IN_MEMORY:
        return np.empty(shape, np.float16)
    # It goes with the array.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float16, "w+", shape=shape)
