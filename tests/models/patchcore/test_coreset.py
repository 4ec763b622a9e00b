"""The greedy k-centre choice against the plain algorithm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.patchcore import coreset
from models.patchcore.coreset import greedy_coreset, random_projection, squared_distances


def naive_greedy(points: np.ndarray, count: int, start: np.ndarray) -> list[int]:
    """Choose the farthest point again and again, in float64, all distances at every step."""
    points = points.astype(np.float64)
    to_start = np.linalg.norm(points[:, None] - points[None, start], axis=2)
    distances = to_start.mean(axis=1)
    chosen: list[int] = []
    for _ in range(count):
        farthest = int(distances.argmax())
        chosen.append(farthest)
        distances = np.minimum(distances, np.linalg.norm(points - points[farthest], axis=1))
    return chosen


def start_of(count: int, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator)[:10].numpy()


@pytest.mark.parametrize("group", [4, 37, 2048])
@pytest.mark.parametrize("seed", [0, 1])
def test_choice_is_exactly_the_greedy_one(
    group: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The size of the group compared at once decides the speed; it must not decide the choice.
    monkeypatch.setattr(coreset, "_CANDIDATES", group)
    monkeypatch.setattr(coreset, "_BLOCK", 100)
    points = np.random.default_rng(seed).standard_normal((730, 16), dtype=np.float32)

    chosen = greedy_coreset(torch.from_numpy(points), 90, seed=seed)

    assert chosen.tolist() == naive_greedy(points, 90, start_of(730, seed))


def test_points_in_half_precision_are_measured_in_single() -> None:
    points = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float16)

    chosen = greedy_coreset(torch.from_numpy(points), 90, seed=0)

    assert chosen.tolist() == naive_greedy(points, 90, start_of(3000, 0))


def test_more_equally_far_points_than_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coreset, "_CANDIDATES", 4)
    # Ten points far out and two hundred on a ring around the start, all as far as each other.
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ring = np.round(np.stack([np.cos(angles), np.sin(angles)], axis=1) * 512)
    points = torch.from_numpy(np.concatenate([np.zeros((10, 2)), ring]).astype(np.float32))

    chosen = greedy_coreset(points, 60, seed=0)

    assert len(set(chosen.tolist())) == 60
    radius = squared_distances(points, points[chosen]).amin(dim=1).sqrt().max()
    assert radius < 2 * 512 * 2 * np.pi / 59


def test_every_point_is_near_a_chosen_one() -> None:
    # Greedy k-centre is within twice the best covering radius; 40 tight clusters, 40 centres.
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 8)) * 10
    points = np.repeat(centres, 50, axis=0) + rng.uniform(-0.01, 0.01, (2000, 8))
    tensor = torch.from_numpy(points.astype(np.float32))

    chosen = greedy_coreset(tensor, 40, seed=0)

    radius = squared_distances(tensor, tensor[chosen]).amin(dim=1).sqrt().max()
    assert radius <= 2 * 0.01 * 8**0.5


def test_all_points_can_be_chosen_each_once() -> None:
    points = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))

    chosen = greedy_coreset(points, 50, seed=0)

    assert sorted(chosen.tolist()) == list(range(50))


def test_points_that_coincide_are_chosen_once() -> None:
    # Numbers that float32 rounds: their expanded distances are not quite zero.
    points = torch.tensor([[0.1, 1.3], [1.7, 0.1], [-1.1, -1.9]]).repeat(20, 1)

    chosen = greedy_coreset(points, 30, seed=0)

    assert len(chosen) == 3
    assert len(points[chosen].unique(dim=0)) == 3


def test_where_all_points_coincide_one_is_chosen() -> None:
    assert greedy_coreset(torch.full((20, 3), 0.1), 5, seed=0).tolist() == [0]


def test_a_seed_gives_the_same_choice_and_another_one_another() -> None:
    points = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))

    first, again, other = (greedy_coreset(points, 50, seed=seed).tolist() for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_progress_ends_at_the_number_chosen() -> None:
    told: list[int] = []

    greedy_coreset(torch.randn(500, 8), 60, seed=0, on_chosen=told.append)

    assert told == sorted(told)
    assert told[-1] == 60


@pytest.mark.parametrize("count", [0, 11])
def test_a_number_that_cannot_be_chosen_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"cannot choose {count} of 10 points"):
        greedy_coreset(torch.zeros(10, 2), count, seed=0)


def test_projection_keeps_relative_distances() -> None:
    # 128 dimensions keep squared distances to about sqrt(2 / 128) = 12 %, up to the scale 1/3 * 128
    # / D.
    points = torch.randn(40, 1000, generator=torch.Generator().manual_seed(0))

    projected = points @ random_projection(1000, 128, seed=0)

    ratio = squared_distances(projected, projected) / squared_distances(points, points)
    pairs = ratio[~torch.eye(40, dtype=torch.bool)] * 3 * 1000 / 128
    assert pairs.mean() == pytest.approx(1, abs=0.05)
    assert pairs.std() < 0.2
