"""CutSwap's two wrong images: patches, or scars, swapped between salient places."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from models.cutswap.swap import swap, swap_scars

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.cutswap.masks import SalientPixels
    from models.cutswap.parameters import CutSwapParameters


class Swapping:
    """Swaps between places that one of an image's maps, drawn anew each time, takes for salient."""

    def __init__(self, salient: SalientPixels, parameters: CutSwapParameters) -> None:
        """Take scars and jitter from `parameters`."""
        #: How often which rule gave the anchors, of swapped patches and of scars.
        self.tally: Counter[str] = Counter()
        self._salient = salient
        self._parameters = parameters

    @property
    def findings(self) -> dict[str, Any]:
        """How many maps there were, how many told nothing, and the rules used."""
        images, levels = self._salient.packed.shape[:2]
        return {
            "saliency_maps": images * levels,
            "degenerate_maps": self._salient.degenerate,
            "anchor_rules": dict(sorted(self.tally.items())),
        }

    def __call__(
        self, image: NDArray[np.uint8], index: int, rng: Generator
    ) -> list[NDArray[np.uint8]] | None:
        """Swapped patches, and swapped scars where those are wanted; see `Augmentation`.

        A map that has no room for them is skipped, and the next one, in random order, is taken.
        """
        for level in rng.permutation(self._salient.packed.shape[1]):
            wrong = self._swapped(image, self._salient.mask(index, level), rng)
            if wrong is not None:
                return wrong
        return None

    def _swapped(
        self, image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator
    ) -> list[NDArray[np.uint8]] | None:
        kinds = {"swap": swap, "scar": swap_scars} if self._parameters.scar else {"swap": swap}
        wrong = []
        for name, kind in kinds.items():
            changed, rule = kind(image, mask, rng, patch_jitter=self._parameters.patch_jitter)
            self.tally[f"{name}_{rule}"] += 1
            if changed is not None:
                wrong.append(changed)
        return wrong if len(wrong) == len(kinds) else None
