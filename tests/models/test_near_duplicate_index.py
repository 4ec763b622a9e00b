"""Near-duplicates in bulk: the same pairs as one by one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models import near_duplicate_index
from models.near_duplicate_index import is_flat, near_duplicates_of_each
from models.near_duplicates import find_near_duplicates, signature


def pictures() -> list[np.ndarray]:
    """Parts that differ, the same parts shifted a little, other shapes, and flat ones."""
    rng = np.random.default_rng(3)
    parts = [
        cv2.GaussianBlur(rng.integers(0, 255, (90, 120), np.uint8), (0, 0), 4) for _ in range(12)
    ]
    shifted = [np.roll(part, 1, 1) for part in parts[:5]]
    upright = [np.ascontiguousarray(part.T) for part in parts[:2]]
    flat = [np.full((90, 120), grey, np.uint8) for grey in (10, 200)]
    return [*parts, *shifted, *upright, *flat]


@pytest.mark.parametrize("block", [4, 1000])
def test_it_finds_what_is_found_one_by_one(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicate_index, "_BLOCK", block)
    signatures = [signature(picture) for picture in pictures()]

    found = near_duplicates_of_each(signatures, signatures)

    wanted = [find_near_duplicates(one, signatures).tolist() for one in signatures]
    assert [near.tolist() for near in found] == wanted
    assert any(len(near) > 1 for near in wanted)


def test_nothing_is_near_nothing() -> None:
    one = signature(pictures()[0])

    assert near_duplicates_of_each([], [one]) == []
    assert [near.tolist() for near in near_duplicates_of_each([one], [])] == [[]]


def test_only_pictures_without_features_are_flat() -> None:
    assert [is_flat(signature(one)) for one in pictures()] == 19 * [False] + 2 * [True]
