"""What an update learns from: good images, and wrong ones made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
import torch

from models.cutpaste.patches import jitter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

    from models.cutpaste.parameters import TuningParameters


class Augmentation(Protocol):
    """Makes wrong images of a good one."""

    #: How often which of its rules was used.
    tally: Counter[str]

    @property
    def findings(self) -> dict[str, Any]:
        """What there is to tell of it, ready for JSON."""
        ...

    def __call__(
        self, image: NDArray[np.uint8], index: int, rng: Generator
    ) -> list[NDArray[np.uint8]] | None:
        """One image a class of wrong ones.

        Args:
            image: (H, W, 3) RGB, a training image with its colours varied.
            index: which training image.
            rng: draws everything.

        Returns:
            As many images of the same size as there are such classes; None where there is no way to
            make them: the image is left out of this update.
        """
        ...


class Batches:
    """The batches of all updates, each drawn from the seed and its number alone."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        augment: Augmentation,
        parameters: TuningParameters,
        seed: int,
    ) -> None:
        """Draw from (N, H, W, 3) RGB good `images`."""
        self.augment = augment
        self._images = images
        self._parameters = parameters
        self._seed = seed

    def passes(self, updates: int) -> float:
        """How often each image has come after so many updates."""
        return updates * self._parameters.batch_images / len(self._images)

    def draw(self, number: int) -> tuple[Tensor, Tensor] | None:
        """The batch of an update.

        Returns:
            Images (classes * b, h, w, 3), 0 to 255, and their labels: good 0, patch 1, scar 2, as
            many of each. None if of no image a wrong one could be made.
        """
        rng = np.random.default_rng([self._seed, number])
        kinds: list[list[NDArray[np.uint8]]] = []
        for index in self._drawn(number):
            good = jitter(self._images[index], self._parameters.image_jitter, rng)
            wrong = self.augment(good, index, rng)
            if wrong is not None:
                kinds.append(self._windows(good, wrong, rng))
        if not kinds:
            return None
        by_class = list(zip(*kinds, strict=True))
        images = np.stack([image for of_class in by_class for image in of_class])
        labels = torch.arange(len(by_class)).repeat_interleave(len(kinds))
        return torch.from_numpy(images), labels

    def _drawn(self, number: int) -> Iterator[int]:
        """The images of an update: each once a pass, in an order of that pass's own."""
        size, count = self._parameters.batch_images, len(self._images)
        for place in range(number * size, (number + 1) * size):
            lap, step = divmod(place, count)
            yield int(np.random.default_rng([self._seed, 1, lap]).permutation(count)[step])

    def _windows(
        self, good: NDArray[np.uint8], wrong: list[NDArray[np.uint8]], rng: Generator
    ) -> list[NDArray[np.uint8]]:
        """What is learnt from: where each wrong image was changed, and the good one at one of these
        places, so that the place itself tells nothing."""
        side = self._parameters.window
        if side is None:
            return [good, *wrong]
        corners = [_corner(good, one, side, rng) for one in wrong]
        seen = corners[rng.integers(len(corners))]
        return [
            image[row : row + side, column : column + side]
            for image, (row, column) in zip([good, *wrong], [seen, *corners], strict=True)
        ]


def _corner(
    good: NDArray[np.uint8], wrong: NDArray[np.uint8], side: int, rng: Generator
) -> tuple[int, int]:
    """Upper left pixel of a window that holds a piece of the outline of what was changed.

    The piece lies in the window's middle half, but for windows at the image's edge. Where nothing
    can be seen of the change the window lies anywhere.
    """
    changed = (good != wrong).any(axis=2).astype(np.uint8)
    # Beyond the image all counts as changed: its edge is no outline.
    outline = changed - cv2.erode(changed, np.ones((3, 3), np.uint8))
    places = np.flatnonzero(outline)
    limits = [length - side for length in good.shape[:2]]
    if len(places) == 0:
        row, column = (int(rng.integers(limit + 1)) for limit in limits)
        return row, column
    place = divmod(int(places[rng.integers(len(places))]), good.shape[1])
    row, column = (
        int(min(max(at - rng.integers(side // 4, side - side // 4), 0), limit))
        for at, limit in zip(place, limits, strict=True)
    )
    return row, column
