"""Which pixels of a saliency map are salient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.cluster import KMeans

from models.cutswap.saliency import choose_cluster, choose_top, cluster_intensities
from models.datasets import open_dataset
from models.preprocessing import to_batch

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)


def test_clusters_are_worked_by_hand() -> None:
    intensities = np.array([[0.0, 0.1, 0.5], [0.6, 0.15, 1.0]], np.float32)

    # The distinct ones in order, three runs of two: 0 0.1 | 0.15 0.5 | 0.6 1, centres 0.05, 0.325
    # and 0.8, middles 0.1875 and 0.5625: 0 0.1 0.15 | 0.5 | 0.6 1, centres 0.083, 0.5 and 0.8,
    # middles 0.29 and 0.65: 0 0.1 0.15 | 0.5 0.6 | 1, centres 0.083, 0.55 and 1, middles 0.32 and
    # 0.775: nothing moves any more.
    expected = [[0, 0, 1], [1, 0, 2]]
    np.testing.assert_array_equal(cluster_intensities(intensities, 3), expected)


@pytest.mark.parametrize("clusters", [1, 2, 4, 6])
def test_clusters_of_a_photograph_are_those_of_scikit_learn(
    clusters: int, shared_data: Path
) -> None:
    image = open_dataset(shared_data / "magnetic_tile").train[0].image()
    intensities = to_batch([image], 64, 64)[0].mean(axis=2, dtype=np.float32) / 255
    distinct = np.unique(intensities)
    starts = [
        run.mean() for run in np.split(distinct, np.arange(1, clusters) * len(distinct) // clusters)
    ]

    ours = cluster_intensities(intensities, clusters)

    theirs = KMeans(clusters, init=np.array(starts)[:, None], n_init=1, tol=0, max_iter=1000).fit(
        intensities.reshape(-1, 1)
    )
    ascending = np.argsort(np.argsort(theirs.cluster_centers_[:, 0]))
    np.testing.assert_array_equal(ours.ravel(), ascending[theirs.labels_])


def test_fewer_distinct_intensities_make_fewer_clusters() -> None:
    np.testing.assert_array_equal(
        cluster_intensities(np.array([[0.2, 0.9, 0.2]], np.float32), 4), [[0, 1, 0]]
    )


def test_a_cluster_that_loses_all_it_had_is_dropped() -> None:
    # Runs 0 0.1 | 0.2 0.7 | 0.72 0.73: centres 0.05, 0.45, 0.725, middles 0.25 and 0.5875. All of
    # the middle run has gone to its neighbours.
    intensities = np.array([0.0, 0.1, 0.2, 0.7, 0.72, 0.73], np.float32)

    np.testing.assert_array_equal(cluster_intensities(intensities, 3), [0, 0, 0, 1, 1, 1])


def test_the_choice_is_by_the_clusters_centre() -> None:
    saliency = np.array([[0.0, 0.0, 0.5, 0.5, 1.0, 1.0]], np.float32)

    chosen = {
        choice: choose_cluster(saliency, 3, choice, RNG).nonzero()[1].tolist()
        for choice in ("max", "min")
    }
    drawn = {tuple(choose_cluster(saliency, 3, "random", RNG).nonzero()[1]) for _ in range(40)}

    assert chosen == {"max": [4, 5], "min": [0, 1]}
    assert drawn == {(0, 1), (2, 3), (4, 5)}


def test_sorting_takes_the_most_salient_pixels() -> None:
    saliency = np.array([[0.1, 0.9, 0.5], [0.9, 0.5, 0.2]], np.float32)

    # Of the two at 0.5 the upper one.
    expected = [[False, True, True], [True, False, False]]
    np.testing.assert_array_equal(choose_top(saliency, 3), expected)
