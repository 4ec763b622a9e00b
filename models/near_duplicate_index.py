"""Near-duplicates among many signatures: as `find_near_duplicates`, for all pairs in bulk.

A comparison needs a basis of each picture's small shifts and stretches. Made once for a block of
signatures and compared in one matrix product, 500 pictures are looked for among 20,000 in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.near_duplicates import _MAX_ASPECT_CHANGE, _MAX_DISTANCE, _bases, _parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Signatures compared at once: 500 with 500 take 12 MB.
_BLOCK = 500


def is_flat(signature: bytes) -> bool:
    """Whether it is of a picture without features, which is a near-duplicate of all such ones.

    Raises:
        ValueError: if it is no signature.
    """
    return not _parse([signature])[0].any()


def near_duplicates_of_each(
    some: Sequence[bytes], among: Sequence[bytes]
) -> list[NDArray[np.intp]]:
    """Which of `among` are near-duplicates of each of `some`.

    Returns:
        For each of `some` its near-duplicates' indices in `among`, rising. A signature that stands
        in both is its own near-duplicate.

    Raises:
        ValueError: if one of them is no signature.
    """
    found: list[list[NDArray[np.intp]]] = [[] for _ in some]
    for start in range(0, len(some), _BLOCK):
        ours = some[start : start + _BLOCK]
        for other_start in range(0, len(among), _BLOCK):
            near = _are_near(ours, among[other_start : other_start + _BLOCK])
            for row in np.flatnonzero(near.any(1)):
                found[start + row].append(np.flatnonzero(near[row]) + other_start)
    return [np.concatenate(parts) if parts else np.empty(0, np.intp) for parts in found]


def _are_near(some: Sequence[bytes], among: Sequence[bytes]) -> NDArray[np.bool_]:
    """(len(some), len(among)) as `are_near_duplicates` says of each pair."""
    (ours, our_aspects), (others, aspects) = _parse(some), _parse(among)
    distance = np.minimum(_unexplained(others, ours).T, _unexplained(ours, others))
    is_flat = np.abs(ours).max(1)[:, None] == 0
    are_flat = np.abs(others).max(1)[None] == 0
    distance = np.where(is_flat | are_flat, is_flat != are_flat, distance)
    change = np.abs(np.log(aspects[None] / our_aspects[:, None]))
    near: NDArray[np.bool_] = (distance <= _MAX_DISTANCE) & (change <= _MAX_ASPECT_CHANGE)
    return near


def _unexplained(coefficients: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len(coefficients), len(of)) share of each picture's energy outside each one's basis."""
    bases = _bases(of)  # (N, D, K)
    flat = bases.transpose(1, 0, 2).reshape(coefficients.shape[1], -1)  # (D, N * K)
    explained = (coefficients @ flat).reshape(len(coefficients), *bases.shape[::2])  # (M, N, K)
    energy = np.maximum((coefficients**2).sum(1), 1e-9)[:, None]
    share: NDArray[np.float64] = 1 - (explained**2).sum(2) / energy
    return np.clip(share, 0, 1)
