"""Rare normal positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.bgad.level import LevelFlow
from models.bgad.parameters import BgadParameters
from models.bgad.rarity import rare_positions

PARAMETERS = replace(BgadParameters(), blocks=1, position_channels=4)


def test_rare_positions_are_those_far_from_all_others() -> None:
    features = np.random.default_rng(0).normal(0, 0.1, (5, 4, 6, 3)).astype(np.float16)
    features[1, 2, 3] = [4, 0, 0]
    features[3, 0, 5] = [0, -4, 0]

    found = rare_positions(LevelFlow(3, (4, 6), PARAMETERS, seed=0), features, 2, seed=0)

    assert sorted(found.tolist()) == [1 * 24 + 2 * 6 + 3, 3 * 24 + 0 * 6 + 5]


def test_the_scaling_counts() -> None:
    features = np.random.default_rng(0).normal(size=(5, 4, 6, 2)) * [100, 0.01]
    features[2, 1, 1, 1] = 1  # a hundred times the usual, and little beside the other channel
    level = LevelFlow(2, (4, 6), PARAMETERS, seed=0)
    level.fit_scaling(features.astype(np.float16), "channel", seed=0)

    # The floor below which variances do not count would hide it too.
    level.scale[1, 1] = 10

    assert 2 * 24 + 1 * 6 + 1 in rare_positions(level, features.astype(np.float16), 1, seed=0)


def test_few_positions_stay_mostly_usual() -> None:
    features = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float16)

    found = rare_positions(LevelFlow(2, (4, 4), PARAMETERS, seed=0), features, 2000, seed=0)

    assert len(set(found.tolist())) == 4
