"""The paper's weight on the image score, which the released code leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def neighbour_weight(
    distance: NDArray[np.float64], neighbour_distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weigh an image's farthest patch by how common its nearest bank patch is.

    Args:
        distance: (B,), distance (not squared) of the patch to its nearest bank patch m.
        neighbour_distances: (B, b), its distances to the b bank patches nearest to m, m among them.

    Returns:
        (B,), 1 - exp(distance) / sum(exp(neighbour_distances)), within 0 to 1. With b = 1 that
        would be 0 throughout, so it is 1.

    Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, equation
    7.
    """
    if neighbour_distances.shape[1] < 2:
        return np.ones_like(distance)
    # exp of a distance overflows; of a difference of logarithms it does not.
    weight: NDArray[np.float64] = 1 - np.exp(
        distance - np.logaddexp.reduce(neighbour_distances, axis=1)
    )
    return weight
