"""What an update learns from: good images, and wrong ones made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

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
    from models.cutpaste.patches import Pair


class Augmentation(Protocol):
    """Makes wrong images of a good one."""

    #: How often which of its rules was used.
    tally: Counter[str]

    @property
    def findings(self) -> dict[str, Any]:
        """What there is to tell of it, ready for JSON."""
        ...

    def __call__(
        self, image: NDArray[np.uint8], index: int, corner: Pair, rng: Generator
    ) -> list[NDArray[np.uint8]] | None:
        """One image a class of wrong ones.

        Args:
            image: (h, w, 3) RGB, a window of a training image with its colours varied.
            index: which training image.
            corner: the window's upper left pixel.
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
            image, corner = self._window(self._images[index], rng)
            good = jitter(image, self._parameters.image_jitter, rng)
            wrong = self.augment(good, index, corner, rng)
            if wrong is not None:
                kinds.append([good, *wrong])
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

    def _window(
        self, image: NDArray[np.uint8], rng: Generator
    ) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        side = self._parameters.window
        if side is None:
            return image, (0, 0)
        row, column = (int(rng.integers(limit - side + 1)) for limit in image.shape[:2])
        return image[row : row + side, column : column + side], (row, column)
