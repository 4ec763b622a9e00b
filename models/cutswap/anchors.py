"""Where two patches of one size are swapped: the edge cases of salient regions at borders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.cutpaste.patches import Pair

#: How often a pair of anchors is drawn before the patches are moved or shrunk.
DRAWS = 20


class Rule(StrEnum):
    """How a pair of anchors was come by."""

    #: The first pair drawn did.
    FIRST = "first"
    #: One of the next pairs did.
    RESAMPLED = "resampled"
    #: Anchors of the last pair were moved inward.
    SHIFTED = "shifted"
    #: The patches were made smaller.
    SHRUNK = "shrunk"
    #: No pair: the map is left out.
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Anchors:
    """The upper left pixels of two patches that fit and have no pixel in common."""

    #: Of the first patch.
    first: Pair
    #: Of the second patch.
    second: Pair
    #: Which of the sizes offered was taken.
    size: int
    #: How they were come by; never `SKIPPED`.
    rule: Rule


def draw_anchors(
    salient: NDArray[np.bool_], sizes: Sequence[Pair], rng: Generator
) -> Anchors | None:
    """Draw two distinct salient pixels as anchors.

    The rules, in this order: draw up to 20 pairs, until the patches fit into the image and are
    disjoint; else shift the last pair's overflowing anchors inward; else take the next smaller
    size, shifted likewise; else none.

    Args:
        salient: (H, W), at least two of them.
        sizes: heights and widths of a patch, the wanted one first, then ever smaller ones.
        rng: draws the pairs.
    """
    candidates = np.flatnonzero(salient)
    frame = salient.shape[0], salient.shape[1]
    pair: tuple[Pair, Pair] = ((0, 0), (0, 0))
    for draw in range(DRAWS):
        pair = _draw_pair(candidates, frame[1], rng)
        if all(_fits(anchor, sizes[0], frame) for anchor in pair) and _disjoint(*pair, sizes[0]):
            return Anchors(*pair, 0, Rule.RESAMPLED if draw else Rule.FIRST)
    for index, size in enumerate(sizes):
        first, second = (_shift_inward(anchor, size, frame) for anchor in pair)
        if _fits(first, size, frame) and _disjoint(first, second, size):
            return Anchors(first, second, index, Rule.SHRUNK if index else Rule.SHIFTED)
    return None


def _draw_pair(candidates: NDArray[np.int64], width: int, rng: Generator) -> tuple[Pair, Pair]:
    one = int(rng.integers(len(candidates)))
    # One of the others: the places after the first one move up.
    other = int(rng.integers(len(candidates) - 1))
    other += other >= one
    first, second = (divmod(int(candidates[place]), width) for place in (one, other))
    return first, second


def _fits(anchor: Pair, size: Pair, frame: Pair) -> bool:
    return all(
        start >= 0 and start + length <= limit
        for start, length, limit in zip(anchor, size, frame, strict=True)
    )


def _disjoint(first: Pair, second: Pair, size: Pair) -> bool:
    return any(abs(a - b) >= length for a, b, length in zip(first, second, size, strict=True))


def _shift_inward(anchor: Pair, size: Pair, frame: Pair) -> Pair:
    row, column = (
        min(start, limit - length) for start, length, limit in zip(anchor, size, frame, strict=True)
    )
    return row, column
