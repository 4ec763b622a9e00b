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


def signature(image: NDArray[np.uint8]) -> bytes:
    """Reduce a picture to 124 bytes that `are_near_duplicates` compares; the same everywhere.

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


def are_near_duplicates(a: bytes, b: bytes) -> bool:
    """Whether two signatures are of the same part; the order does not matter.

    Raises:
        ValueError: if one is no signature.
    """
    return len(find_near_duplicates(a, [b])) == 1


def find_near_duplicates(one: bytes, many: Sequence[bytes]) -> NDArray[np.intp]:
    """Which of many signatures are near-duplicates of one.

    Returns:
        Their indices in `many`, rising.

    Raises:
        ValueError: if one of them is no signature.
    """
    if not len(many):
        return np.empty(0, np.intp)
    near = distances(one, many) <= _MAX_DISTANCE
    aspect, aspects = _parse([one])[1], _parse(many)[1]
    near &= np.abs(np.log(aspects / aspect)) <= _MAX_ASPECT_CHANGE
    return np.flatnonzero(near)


def distances(one: bytes, many: Sequence[bytes]) -> Floats:
    """How much of the picture each of `many` leaves unexplained, (n,), 0 to 1; shape disregarded.

    Raises:
        ValueError: if one of them is no signature.
    """
    single, others = _parse([one])[0], _parse(many)[0]
    forth = _unexplained(
        others, np.broadcast_to(_bases(single), (len(others), *_bases(single).shape[1:]))
    )
    back = _unexplained(np.broadcast_to(single, others.shape), _bases(others))
    is_flat, are_flat = not single.any(), ~others.any(1)
    result: Floats = np.minimum(forth, back)
    return np.where(are_flat | is_flat, (are_flat != is_flat).astype(np.float64), result)


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


def _bases(coefficients: Floats) -> Floats:
    """(n, 120, 6): orthonormal, spanning each picture and its small shifts and stretches."""
    moved = [coefficients @ derivative.T for derivative in _layout().derivatives]
    return np.linalg.qr(np.stack([coefficients, *moved], axis=2))[0]


def _unexplained(coefficients: Floats, bases: Floats) -> Floats:
    explained = np.einsum("nd,ndk->nk", coefficients, bases)
    energy = np.maximum((coefficients**2).sum(1), 1e-9)
    result: Floats = np.clip(1 - (explained**2).sum(1) / energy, 0, 1)
    return result


def _parse(signatures: Sequence[bytes]) -> tuple[Floats, Floats]:
    """Coefficients (n, 120) and aspect ratios (n,)."""
    for one in signatures:
        if len(one) != SIGNATURE_BYTES:
            raise ValueError(f"a signature has {len(one)} bytes: expected {SIGNATURE_BYTES}")
    raw = np.frombuffer(b"".join(signatures), np.uint8).reshape(-1, SIGNATURE_BYTES)
    steps = np.ascontiguousarray(raw[:, :-4]).view(np.int8)
    aspects = np.ascontiguousarray(raw[:, -4:]).view("<f4")[:, 0]
    return steps.astype(np.float64), aspects.astype(np.float64)
