"""The ten augmenters of known anomalies, of which three are composed for each pseudo anomaly.

Source: the released BGAD code. Chances, weights and ranges that it does not set are the defaults
that its augmentation library had at the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from models.bgad import tones, warps

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.bgad.warps import Pair

Operation: TypeAlias = "Callable[[NDArray[np.uint8], NDArray[np.bool_], Generator], Pair]"
Tone: TypeAlias = "Callable[[NDArray[np.uint8], Generator], NDArray[np.uint8]]"

#: How many augmenters one draw composes.
COMPOSED = 3


@dataclass(frozen=True)
class Augmenter:
    """Does one of its operations, or nothing."""

    #: Chance that it does anything.
    chance: float
    #: One of these is drawn.
    operations: tuple[Operation, ...]
    #: Of each operation in the draw; empty for equal ones.
    weights: tuple[float, ...] = ()

    def __call__(self, image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
        """Draw whether to act and what to do, and do it."""
        if rng.random() >= self.chance:
            return image, mask
        chosen = rng.choice(len(self.operations), p=self.weights or None)
        return self.operations[chosen](image, mask, rng)


def _of(tone: Tone) -> Operation:
    """An operation that leaves the mask as it is."""
    return lambda image, mask, rng: (tone(image, rng), mask)


AUGMENTERS = (
    Augmenter(0.5, (warps.quarter_turns,)),
    Augmenter(0.5, (warps.flip,)),
    Augmenter(0.5, (warps.transpose,)),
    Augmenter(1.0, (warps.strong_lens,)),
    Augmenter(0.2, (_of(tones.additive_noise), _of(tones.gauss_noise))),
    Augmenter(
        0.2,
        (_of(tones.motion_blur), _of(tones.median_blur), _of(tones.box_blur)),
        (1 / 2, 1 / 4, 1 / 4),
    ),
    Augmenter(0.2, (warps.shift_scale_rotate,)),
    Augmenter(
        0.2,
        (warps.weak_lens, warps.grid_distortion, warps.piecewise_distortion),
        (3 / 7, 1 / 7, 3 / 7),
    ),
    Augmenter(
        0.3,
        (
            _of(tones.equalise),
            _of(tones.sharpen),
            _of(tones.emboss),
            _of(tones.brightness_contrast),
        ),
    ),
    Augmenter(0.3, (_of(tones.hue_saturation_value),)),
)


def augment(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Apply three different augmenters, drawn uniformly from the ten, in the order drawn.

    Args:
        image: (H, W, 3) RGB.
        mask: (H, W).
        rng: draws everything.

    Returns:
        Image and mask of the same size, or (W, H) where turned. The mask may be empty.
    """
    for chosen in rng.choice(len(AUGMENTERS), COMPOSED, replace=False):
        image, mask = AUGMENTERS[chosen](image, mask, rng)
    return image, mask
