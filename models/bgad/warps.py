"""Geometric augmentations of an image and its mask together.

Masks take the nearest pixel and are empty where a warp looks outside the image; images are
interpolated, and mirrored there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

#: An image (H, W, 3) and its mask (H, W).
Pair: TypeAlias = "tuple[NDArray[np.uint8], NDArray[np.bool_]]"


def quarter_turns(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Turn by none to three quarters."""
    turns = int(rng.integers(4))
    return _contiguous(np.rot90(image, turns), np.rot90(mask, turns))


def flip(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Mirror the rows, the columns, or both."""
    axes = [(0,), (1,), (0, 1)][rng.integers(3)]
    return _contiguous(np.flip(image, axes), np.flip(mask, axes))


def transpose(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Swap rows and columns."""
    return _contiguous(image.swapaxes(0, 1), mask.T)


def strong_lens(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Distort as a very bad lens does, to a barrel or a cushion."""
    return _lens(image, mask, rng.uniform(-1.0, 1.0))


def weak_lens(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Distort as a lens does."""
    return _lens(image, mask, rng.uniform(-0.05, 0.05))


def grid_distortion(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Stretch and squeeze five stripes of columns, and five of rows, by up to 30 %."""
    height, width = mask.shape
    across, down = _stripes(width, rng), _stripes(height, rng)
    return _remap(image, mask, np.tile(across, (height, 1)), np.tile(down[:, None], (1, width)))


def piecewise_distortion(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Shift the points of a 4 x 4 grid by 3 to 5 % of the size, and what lies between with them.

    Bilinear between the points; the released code's library is affine in triangles.
    """
    height, width = mask.shape
    spread = rng.uniform(0.03, 0.05) * np.array([width, height])
    points = (spread * rng.standard_normal((4, 4, 2))).astype(np.float32)
    shifts = cv2.resize(points, (width, height), interpolation=cv2.INTER_LINEAR)  # (H, W, 2)
    columns, rows = _coordinates(height, width)
    return _remap(image, mask, columns + shifts[:, :, 0], rows + shifts[:, :, 1])


def shift_scale_rotate(image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: Generator) -> Pair:
    """Turn by up to 45 degrees, scale by up to 20 %, shift by up to a sixteenth of the size."""
    height, width = mask.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, rng.uniform(-45, 45), rng.uniform(0.8, 1.2))
    matrix[0, 2] += width * rng.uniform(-0.0625, 0.0625)
    matrix[1, 2] += height * rng.uniform(-0.0625, 0.0625)
    size = (width, height)
    warped = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
    warped_mask = cv2.warpAffine(mask.view(np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    return warped.view(np.uint8), warped_mask.view(np.bool_)


def _lens(image: NDArray[np.uint8], mask: NDArray[np.bool_], strength: float) -> Pair:
    """Take each pixel from `1 + k r^2 + k r^4` times its distance r from the centre.

    r is in units of the longer side, so that a long image is not torn apart at its ends.
    """
    height, width = mask.shape
    columns, rows = _coordinates(height, width)
    x, y = columns - (width - 1) / 2, rows - (height - 1) / 2
    squared = (x * x + y * y) / max(height, width) ** 2  # (H, W)
    stretch = np.float32(strength) * (squared + squared * squared)
    return _remap(image, mask, columns + x * stretch, rows + y * stretch)


def _stripes(size: int, rng: Generator) -> NDArray[np.float32]:
    """Where each of `size` pixels of a line is taken from; the ends stay where they are."""
    knots = np.concatenate([[0], np.cumsum(rng.uniform(0.7, 1.3, 5))])
    places = np.linspace(0, 1, 6)
    taken: NDArray[np.float64] = np.interp(np.linspace(0, 1, size), places, knots / knots[-1])
    return (taken * (size - 1)).astype(np.float32)


def _coordinates(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns (1, W) and rows (H, 1)."""
    columns = np.arange(width, dtype=np.float32)[None]
    return columns, np.arange(height, dtype=np.float32)[:, None]


def _remap(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    columns: NDArray[np.float32],
    rows: NDArray[np.float32],
) -> Pair:
    """Take each pixel from the place (H, W) that `columns` and `rows` say."""
    warped = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    warped_mask = cv2.remap(mask.view(np.uint8), columns, rows, cv2.INTER_NEAREST)
    return warped.view(np.uint8), warped_mask.view(np.bool_)


def _contiguous(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Pair:
    """OpenCV takes no mirrored views."""
    return np.ascontiguousarray(image), np.ascontiguousarray(mask)
