"""What BGAD learns from, pass by pass: features of normal, known and pseudo anomalous images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from models.bgad.positions import Group, LevelPositions, least_likely_labels, mask_labels
from models.bgad.pseudo_anomalies import PseudoAnomalies
from models.feature_cache import cache_features
from models.preprocessing import to_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from models.bgad.level import LevelFlow
    from models.bgad.parameters import BgadParameters
    from models.detector import Progress, TrainingData

#: Gives the levels' features, each (B, h, w, C), of (B, H, W, 3) RGB images.
Encode: TypeAlias = "Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]"
#: An image (H, W, 3) RGB and where it is defective, (H, W); None where nobody has drawn it.
Defective: TypeAlias = "tuple[NDArray[np.uint8], NDArray[np.bool_] | None]"

#: Images encoded at once.
_BATCH = 8


@dataclass(frozen=True)
class _Encoded:
    """Defective images as features."""

    #: A level each, finest first: (images, h, w, C).
    levels: list[NDArray[np.float16]]
    #: (H, W) each, in any size.
    masks: list[NDArray[np.bool_] | None]


class Material:
    """Features of all that a training goes through; only pseudo anomalies are made on the way."""

    def __init__(
        self,
        encode: Encode,
        data: TrainingData,
        parameters: BgadParameters,
        *,
        seed: int,
        progress: Progress,
    ) -> None:
        """Encode the normal images and the known anomalies."""
        self._encode = encode
        self._parameters = parameters
        #: Of the normal images, a level each: (images, h, w, C).
        self.normal = cache_features(encode, data.normal, progress)
        self._good = [Group.of_normal(level) for level in self.normal]
        shown = data.anomalies if parameters.push_pull else ()
        self._known = self._encoded([(one.image, one.mask) for one in shown])
        drawn = [one for one in shown if one.mask is not None]
        self._pseudo: PseudoAnomalies | None = None
        self._pseudo_count = 0
        if drawn and parameters.pseudo_anomalies:
            self._pseudo_count = len(drawn) * parameters.pseudo_per_anomaly
            self._pseudo = PseudoAnomalies(
                drawn,
                data.normal,
                restrict_to_foreground=parameters.restrict_to_foreground,
                seed=seed,
            )

    def mark_rare(self, rare: Sequence[NDArray[np.int64]]) -> None:
        """Remember which positions of the normal images are rare, a level each."""
        self._good = [
            Group.of_normal(level, places) for level, places in zip(self.normal, rare, strict=True)
        ]

    def normal_positions(self) -> list[LevelPositions]:
        """What each level learns from while it sees normal images only."""
        entries = np.arange(len(self.normal[0]))
        return [LevelPositions([group], entries) for group in self._good]

    def all_positions(self, pass_index: int, levels: Sequence[LevelFlow]) -> list[LevelPositions]:
        """What each level learns from in a pass with known and pseudo anomalies.

        Args:
            pass_index: decides the pseudo anomalies.
            levels: the present flows: they say where an anomaly is that nobody has drawn.
        """
        if self._known is None:
            return self.normal_positions()
        drawn = self._drawn(pass_index)
        shown = [self._known] if drawn is None else [self._known, drawn]
        normal, known = len(self.normal[0]), len(self._known.masks)
        repeated = normal + np.tile(np.arange(known), self._parameters.repeats)
        pseudo = normal + known + np.arange(self._pseudo_count)
        entries = np.concatenate([np.arange(normal), repeated, pseudo])
        return [
            LevelPositions(
                [good, *(self._group(encoded, index, level) for encoded in shown)], entries
            )
            for index, (level, good) in enumerate(zip(levels, self._good, strict=True))
        ]

    def _drawn(self, pass_index: int) -> _Encoded | None:
        if self._pseudo is None:
            return None
        indices = range(self._pseudo_count)
        return self._encoded([self._pseudo.draw(pass_index, index) for index in indices])

    def _encoded(self, images: Sequence[Defective]) -> _Encoded | None:
        if not images:
            return None
        size = self._parameters.input_size
        parts = [
            self._encode(to_batch([image for image, _ in images[start : start + _BATCH]], *size))
            for start in range(0, len(images), _BATCH)
        ]
        levels = [np.concatenate(level).astype(np.float16) for level in zip(*parts, strict=True)]
        return _Encoded(levels, [mask for _, mask in images])

    def _group(self, encoded: _Encoded, index: int, level: LevelFlow) -> Group:
        features = encoded.levels[index]
        labels = [
            mask_labels(mask, *level.grid, self._parameters.mask_cells)
            if mask is not None
            else least_likely_labels(
                level.maps(features[image : image + 1])[0].numpy(), self._parameters.unmasked_share
            )
            for image, mask in enumerate(encoded.masks)
        ]
        return Group(features, np.stack(labels))
