"""Nearest neighbours against brute force in float64."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from models.errors import ModelError, ShapeError
from models.patchcore.search import NeighbourSearch


def brute_force(bank: np.ndarray, patches: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    squared = ((patches[:, None].astype(np.float64) - bank[None]) ** 2).sum(axis=2)
    rows = np.argsort(squared, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(squared, rows, axis=1), rows


@pytest.mark.parametrize("patches", [3, 200])  # faiss takes another way from 20 queries on
@pytest.mark.parametrize("count", [1, 5])
def test_neighbours_are_those_of_brute_force(patches: int, count: int) -> None:
    rng = np.random.default_rng(0)
    bank = rng.standard_normal((300, 24), dtype=np.float32)
    queries = rng.standard_normal((patches, 24), dtype=np.float32)

    distances, rows = NeighbourSearch(bank).nearest(queries, count)

    expected_distances, expected_rows = brute_force(bank, queries, count)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-4)


def test_a_common_offset_does_not_drown_small_distances() -> None:
    # Expanded as |a|^2 + |b|^2 - 2ab, a difference of 1e-3 beside numbers of 1e6 is gone in
    # float32: without centring, distances here are wrong by 0.6. faiss expands from some thousand
    # queries on.
    rng = np.random.default_rng(0)
    bank = rng.standard_normal((5000, 64), dtype=np.float32) + np.float32(100)
    queries = bank + np.float32(0.004)

    distances, rows = NeighbourSearch(bank).nearest(queries)

    expected = ((queries.astype(np.float64) - bank) ** 2).sum(axis=1)
    np.testing.assert_array_equal(rows[:, 0], np.arange(5000))
    np.testing.assert_allclose(distances[:, 0], expected, rtol=0.15)
    assert expected.max() < 1.1e-3


def test_a_patch_of_the_bank_has_a_distance_of_zero_or_more() -> None:
    bank = np.random.default_rng(0).standard_normal((500, 40), dtype=np.float32)

    distances, rows = NeighbourSearch(bank).nearest(bank)

    np.testing.assert_array_equal(rows[:, 0], np.arange(500))
    assert distances.min() >= 0
    assert distances.max() < 1e-4


def test_no_more_neighbours_are_found_than_the_bank_has() -> None:
    distances, rows = NeighbourSearch(np.ones((2, 4), dtype=np.float32)).nearest(
        np.zeros((1, 4), dtype=np.float32), 5
    )

    np.testing.assert_allclose(distances, [[4, 4]])
    assert sorted(rows[0]) == [0, 1]


def test_patches_of_another_width_are_refused() -> None:
    search = NeighbourSearch(np.zeros((2, 8), dtype=np.float32))

    with pytest.raises(ShapeError, match=r"expected \(P, 8\)"):
        search.nearest(np.zeros((1, 9), dtype=np.float32))


def test_an_empty_bank_is_refused() -> None:
    with pytest.raises(ShapeError, match="N >= 1"):
        NeighbourSearch(np.zeros((0, 8), dtype=np.float32))


def test_missing_faiss_names_the_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)

    with pytest.raises(ModelError, match="extra cpu"):
        NeighbourSearch(np.zeros((2, 8), dtype=np.float32))
