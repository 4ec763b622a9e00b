"""Which pixels of a saliency map are salient: one cluster of its intensities, or the top few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.cutswap.parameters import ClusterChoice

#: Intensities from 0 to 1 are told apart this finely.
_BINS = 4096


def cluster_intensities(intensities: NDArray[np.float32], clusters: int) -> NDArray[np.int64]:
    """K-means on numbers from 0 to 1: Lloyd's algorithm on their histogram, without a random start.

    The first centres are quantiles of the distinct intensities. Quantiles of all pixels would
    coincide on maps that are mostly black.

    Args:
        intensities: any shape.
        clusters: K.

    Returns:
        The cluster of each, same shape, 0 for the lowest centre. Fewer than K clusters where there
        are fewer distinct intensities, or one has lost all of its own to its neighbours.
    """
    bins = np.clip(intensities * _BINS, 0, _BINS - 1).astype(np.int64)
    counts = np.bincount(bins.ravel(), minlength=_BINS)
    occupied = np.flatnonzero(counts)
    weights = np.bincount(bins.ravel(), intensities.ravel(), minlength=_BINS)[occupied]
    counts = counts[occupied]
    values = weights / counts  # the mean of a bin's intensities
    labels = _lloyd(values, counts, min(clusters, len(values)))
    table = np.zeros(_BINS, np.int64)
    table[occupied] = labels
    assigned: NDArray[np.int64] = table[bins]
    return assigned


def choose_cluster(
    saliency: NDArray[np.float32], clusters: int, choice: ClusterChoice, rng: Generator
) -> NDArray[np.bool_]:
    """The pixels of one cluster of a map, (H, W); `rng` is used by the random choice only."""
    labels = cluster_intensities(saliency, clusters)
    highest = int(labels.max())
    wanted = {"max": highest, "min": 0, "random": int(rng.integers(highest + 1))}[choice]
    chosen: NDArray[np.bool_] = labels == wanted
    return chosen


def choose_top(saliency: NDArray[np.float32], pixels: int) -> NDArray[np.bool_]:
    """The most salient `pixels` of a map, (H, W), ties going to the upper left."""
    order = np.argsort(-saliency, axis=None, kind="stable")[:pixels]
    chosen = np.zeros(saliency.shape, bool)
    chosen.flat[order] = True
    return chosen


def _lloyd(
    values: NDArray[np.float64], counts: NDArray[np.int64], clusters: int
) -> NDArray[np.int64]:
    """Labels of ascending, distinct `values` with `counts` of each.

    In one dimension a cluster is a run of values: only its ends are looked for, and sums over it
    are differences of running sums.
    """
    heads = np.concatenate([[0.0], np.cumsum(values * counts)])
    masses = np.concatenate([[0], np.cumsum(counts)])
    starts = np.arange(clusters) * len(values) // clusters
    while True:
        ends = np.append(starts[1:], len(values))
        centres = (heads[ends] - heads[starts]) / (masses[ends] - masses[starts])
        middles = (centres[1:] + centres[:-1]) / 2
        moved = np.append(0, np.searchsorted(values, middles, side="right"))
        # The same ends again: nothing would change any more.
        if np.array_equal(moved, starts):
            break
        starts = np.unique(moved)  # an empty cluster starts where the next one does
    return np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
