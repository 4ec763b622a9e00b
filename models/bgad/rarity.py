"""Which normal positions are rare.

An image's score is its worst position's, so it is the rare but good positions that decide about
false alarms, and an even draw hardly shows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.patchcore.coreset import greedy_coreset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.bgad.level import LevelFlow

#: Positions that the rare ones are looked for among, at most.
_SAMPLE = 100_000
#: At most this share of them is rare.
_SHARE = 0.25


@torch.no_grad()
def rare_positions(
    level: LevelFlow, features: NDArray[np.float16], count: int, *, seed: int
) -> NDArray[np.int64]:
    """Find the positions that lie farthest apart in the level's scaled features.

    Args:
        level: with its scaling.
        features: (images, h, w, C) of normal images.
        count: how many at most.
        seed: of the sample and the coreset's start.

    Returns:
        (n,): image * h * w + cell of each.
    """
    flat = features.reshape(-1, features.shape[-1])
    places = np.random.default_rng(seed).permutation(len(flat))[:_SAMPLE]
    points = level.scaled(torch.from_numpy(flat[places]).float())
    count = min(count, max(1, int(_SHARE * len(places))))
    chosen: NDArray[np.int64] = places[greedy_coreset(points, count, seed=seed).numpy()]
    return chosen
