"""Near-duplicates: two pictures of one part, told from two alike parts by 124 bytes a picture.

The signature holds the low frequencies of a small grey picture, faded out towards its border so
that what enters or leaves there counts for little. Two things make alike parts differ in it:
frequencies along one axis alone are left out, for frames, busbars and even shading of whole rows or
columns are the same in every part of a product; and higher frequencies weigh more. A shift or a
stretch by a few pixels moves all coefficients in a way that is known from the picture itself, so it
is taken out before two signatures are compared (a tangent distance).

A part with and without a small defect may well count as near-duplicates; so do flat pictures.

Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010 (low
frequencies as a fingerprint); Simard et al., "Transformation Invariance in Pattern Recognition:
Tangent Distance and Tangent Propagation", 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Length of a signature in bytes: 120 coefficients of a byte, and the aspect ratio.
SIGNATURE_BYTES = 124

# The share of one picture's energy that the other cannot explain, 0 to 1; at most this is a
# near-duplicate.
# Chosen on these real pictures, so figures on others will be somewhat worse. Changed ones found, of
# every third (JPEG 80, 5 % darker, 0.9 and 1.1 times the size, 1 px both ways): solar cells of 300
# px (elpv) 100 %; magnetic tiles, many only 120 px wide, 99.8 % and more; cookies 100 %. Brighter
# by 5 %, where white saturates: 99.7, 99.1 and 100 %. By 2 px one way: 100, 94.6 and 100 %; both
# ways: 100, 89.3 and 100 %. Different pictures found alike: solar cells 5 of 576,201 pairs,
# neighbours with the same printing marks; at 0.010 it is 2, at 0.015 21, at 0.020 60. Cookies 1 of
# 3,570, twice the same cookie. Magnetic tiles 1,513 of 897,130, but these are exposures and
# repeated crops of the same tiles: so say the numbers in the names of 1,449, and some 45 looked at,
# the least likely among them, agree.
_MAX_DISTANCE = 0.012
# Of heights divided by widths; resizing rounds to whole pixels, another crop differs by more.
_MAX_ASPECT_CHANGE = 0.05

_SIZE_PX = 64
_FADE_PX = 16
_DIAGONALS = 17  # frequencies (y, x) with y + x below it, y and x from 1: 120
# Below this largest coefficient (a contrast of some 0.3 grey levels) there is noise only.
_FLAT = 20.0
# Signatures compared at once: 500 with 500 take 12 MB.
_BLOCK = 500


def signature(image: NDArray[np.uint8]) -> bytes:
    """Reduce a picture to 124 bytes that `near_duplicates_of_each` compares; the same everywhere.

    Args:
        image: (H, W) grey or (H, W, 3) RGB, at least 8 x 8 pixels.

    Raises:
        ShapeError: if it is not of such a shape.
        ValueError: if it is not uint8.
    """
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or min(image.shape[:2]) < 8:
        raise ShapeError(
            f"the image has shape {image.shape}: expected (H, W) or (H, W, 3), at least 8 x 8"
        )
    if image.dtype != np.uint8:
        raise ValueError(f"the image is {image.dtype}: expected uint8")
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIZE_PX, _SIZE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    weights, is_used = _layout().weights, _layout().is_used
    faded = (small - small.mean()) * _layout().window
    coefficients = cv2.dct(faded)[is_used] * weights
    largest = float(np.abs(coefficients).max())
    steps = np.round(coefficients * (127 / largest)) if largest > _FLAT else 0 * coefficients
    aspect = np.array([image.shape[0] / image.shape[1]], "<f4")
    return bytes(steps.astype(np.int8).tobytes() + aspect.tobytes())


def is_flat(signature: bytes) -> bool:
    """Whether it is of a picture without features, which is a near-duplicate of all such ones.

    Raises:
        ValueError: if it is no signature.
    """
    return not _parse([signature])[0].any()


def near_duplicates_of_each(
    some: Sequence[bytes], among: Sequence[bytes]
) -> list[NDArray[np.intp]]:
    """Which of `among` are near-duplicates of each of `some`; who is compared with whom is alike.

    A comparison needs a basis of each picture's small shifts and stretches. Made once for a block
    of signatures and compared in one matrix product, 500 pictures are looked for among 20,000 in
    seconds.

    Returns:
        For each of `some` its near-duplicates' indices in `among`, rising. A signature that stands
        in both is its own near-duplicate.

    Raises:
        ValueError: if one of them is no signature.
    """
    found: list[list[NDArray[np.intp]]] = [[] for _ in some]
    for start in range(0, len(some), _BLOCK):
        ours = _Block.of(some[start : start + _BLOCK])
        for other_start in range(0, len(among), _BLOCK):
            near = _are_near(ours, _Block.of(among[other_start : other_start + _BLOCK]))
            for row in np.flatnonzero(near.any(1)):
                found[start + row].append(np.flatnonzero(near[row]) + other_start)
    return [np.concatenate(parts) if parts else np.empty(0, np.intp) for parts in found]


@dataclass(frozen=True)
class _Block:
    """Signatures that are compared at once."""

    #: (n, 120).
    coefficients: Floats
    #: (n,) heights divided by widths.
    aspects: Floats
    #: (n, 120, 6): orthonormal, spanning each picture and its small shifts and stretches.
    bases: Floats

    @classmethod
    def of(cls, signatures: Sequence[bytes]) -> _Block:
        """Read them; raises ValueError if one is no signature."""
        coefficients, aspects = _parse(signatures)
        moved = [coefficients @ derivative.T for derivative in _layout().derivatives]
        bases = np.linalg.qr(np.stack([coefficients, *moved], axis=2))[0]
        return cls(coefficients, aspects, bases)

    @property
    def is_flat(self) -> NDArray[np.bool_]:
        """(n,)."""
        is_flat: NDArray[np.bool_] = (self.coefficients == 0).all(axis=1)
        return is_flat


@dataclass(frozen=True)
class _Layout:
    """What does not depend on the picture."""

    #: (64, 64), 1 in the middle, falling to 0 at the border.
    window: NDArray[np.float32]
    #: (64, 64) which frequencies are in the signature.
    is_used: NDArray[np.bool_]
    #: (120,) of each frequency.
    weights: Floats
    #: Each (120, 120): coefficients to those of the picture's first and second derivatives.
    derivatives: tuple[Floats, ...]


@cache
def _layout() -> _Layout:
    y, x = np.mgrid[:_SIZE_PX, :_SIZE_PX]
    is_used = (y >= 1) & (x >= 1) & (y + x < _DIAGONALS)
    # A picture's amplitudes fall with frequency: the root takes back half of that, in which alike
    # parts differ most.
    weights = np.sqrt(np.hypot(y, x)[is_used])
    place = np.arange(_SIZE_PX) + 0.5
    from_border = np.minimum(1, np.minimum(place, _SIZE_PX - place) / _FADE_PX)
    fade = np.sin(np.pi / 2 * from_border) ** 2
    along_y, along_x = np.empty((2, len(weights), len(weights)))
    for column, (row, line) in enumerate(np.argwhere(is_used)):
        wave = np.zeros((_SIZE_PX, _SIZE_PX), np.float32)
        wave[row, line] = 1
        slopes = np.gradient(cv2.idct(wave))
        for target, slope in zip((along_y, along_x), slopes, strict=True):
            target[:, column] = cv2.dct(slope)[is_used] * weights / weights[column]
    second = (along_y @ along_y, along_x @ along_x, along_y @ along_x)
    window = np.outer(fade, fade).astype(np.float32)
    return _Layout(window, is_used, weights, (along_y, along_x, *second))


def _are_near(some: _Block, among: _Block) -> NDArray[np.bool_]:
    """(some, among), of each pair."""
    distance = np.minimum(_unexplained(among, some).T, _unexplained(some, among))
    is_flat, are_flat = some.is_flat[:, None], among.is_flat[None]
    distance = np.where(is_flat | are_flat, is_flat != are_flat, distance)
    change = np.abs(np.log(among.aspects[None] / some.aspects[:, None]))
    near: NDArray[np.bool_] = (distance <= _MAX_DISTANCE) & (change <= _MAX_ASPECT_CHANGE)
    return near


def _unexplained(some: _Block, of: _Block) -> Floats:
    """(some, of) share of each picture's energy outside each one's basis, 0 to 1."""
    count, size, kinds = of.bases.shape
    flat = of.bases.transpose(1, 0, 2).reshape(size, -1)  # (120, of * 6)
    explained = (some.coefficients @ flat).reshape(-1, count, kinds)
    energy = np.maximum((some.coefficients**2).sum(1), 1e-9)[:, None]
    share: Floats = np.clip(1 - (explained**2).sum(2) / energy, 0, 1)
    return share


def _parse(signatures: Sequence[bytes]) -> tuple[Floats, Floats]:
    """Coefficients (n, 120) and aspect ratios (n,)."""
    for one in signatures:
        if len(one) != SIGNATURE_BYTES:
            raise ValueError(f"a signature has {len(one)} bytes: expected {SIGNATURE_BYTES}")
    raw = np.frombuffer(b"".join(signatures), np.uint8).reshape(-1, SIGNATURE_BYTES)
    steps = np.ascontiguousarray(raw[:, :-4]).view(np.int8)
    aspects = np.ascontiguousarray(raw[:, -4:]).view("<f4")[:, 0]
    return steps.astype(np.float64), aspects.astype(np.float64)
