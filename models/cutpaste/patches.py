"""Patches: how large they are, how they turn, and how their colours and those of images vary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import torch
from torchvision.transforms.v2 import functional as colour

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

#: A row and a column, or a height and a width, in pixels.
Pair: TypeAlias = "tuple[int, int]"

#: Share of the image that a patch covers.
_AREA = (0.02, 0.15)
#: Width by height of a patch: either range with equal chance.
_ASPECTS = ((0.3, 1.0), (1.0, 3.3))
#: Pixels that a scar is wide and long.
_SCAR_WIDTH = (2, 16)
_SCAR_LENGTH = (10, 25)
#: A scar is turned by up to this many degrees, either way.
_SCAR_DEGREES = 45.0
#: Shrinking stops at this many pixels a side.
SMALLEST = 2


def draw_patch_size(frame: Pair, rng: Generator) -> Pair:
    """Height and width of a patch for an image of height and width `frame`."""
    area = rng.uniform(*_AREA) * frame[0] * frame[1]
    aspect = rng.uniform(*_ASPECTS[rng.integers(2)])
    size = math.sqrt(area / aspect), math.sqrt(area * aspect)
    height, width = (
        min(limit, max(SMALLEST, round(side))) for side, limit in zip(size, frame, strict=True)
    )
    return height, width


def draw_scar_size(frame: Pair, rng: Generator) -> Pair:
    """Height and width of a scar, before it is turned."""
    width = rng.integers(_SCAR_WIDTH[0], _SCAR_WIDTH[1] + 1)
    length = rng.integers(_SCAR_LENGTH[0], _SCAR_LENGTH[1] + 1)
    return min(int(length), frame[0]), min(int(width), frame[1])


def draw_angle(rng: Generator) -> float:
    """How far a scar is turned, in degrees."""
    return float(rng.uniform(-_SCAR_DEGREES, _SCAR_DEGREES))


def rotate(
    patch: NDArray[np.uint8], degrees: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Turn a (h, w, 3) patch on a canvas that holds all of it.

    Returns:
        The canvas, and how opaque it is, from 0 outside the patch to 1: (h', w', 3) and (h', w',
        1).
    """
    height, width = patch.shape[:2]
    canvas_height, canvas_width = rotated_size((height, width), degrees)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    matrix[:, 2] += (canvas_width - width) / 2, (canvas_height - height) / 2
    size = canvas_width, canvas_height
    # Its edge goes on, so that blending with what lies outside does not darken it.
    turned = cv2.warpAffine(patch, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    opacity = cv2.warpAffine(np.ones((height, width), np.float32), matrix, size)
    return np.asarray(turned, np.uint8), np.asarray(opacity, np.float32)[..., None]


def rotated_size(size: Pair, degrees: float) -> Pair:
    """Height and width of the canvas that holds a turned patch of height and width `size`."""
    height, width = size
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    # Rounding must not add a pixel to a patch that is not turned.
    return (
        math.ceil(height * cosine + width * sine - 1e-9),
        math.ceil(height * sine + width * cosine - 1e-9),
    )


def lay_over(
    image: NDArray[np.uint8],
    anchor: Pair,
    canvas: NDArray[np.uint8],
    opacity: NDArray[np.float32],
) -> None:
    """Paint `canvas` into `image`, its upper left pixel at `anchor`; what is not opaque stays."""
    row, column = anchor
    target = image[row : row + canvas.shape[0], column : column + canvas.shape[1]]
    blended = target + opacity * (canvas.astype(np.float32) - target)
    target[:] = np.rint(blended).astype(np.uint8)


def jitter(image: NDArray[np.uint8], strength: float, rng: Generator) -> NDArray[np.uint8]:
    """Vary brightness, contrast, saturation and hue of a (H, W, 3) RGB image.

    Args:
        image: not changed.
        strength: factors are drawn within 1 +- `strength`, the hue moves by up to +- `strength` of
            the circle of colours; 0 changes nothing.
        rng: draws them.
    """
    if strength == 0:
        return image.copy()
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    hue = rng.uniform(-strength, strength)
    varied = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    varied = colour.adjust_brightness(varied, brightness)
    varied = colour.adjust_contrast(varied, contrast)
    # Colours of a grey image cannot vary: most of the time goes here.
    if np.ptp(image, axis=2).any():
        varied = colour.adjust_saturation(varied, saturation)
        varied = colour.adjust_hue(varied, hue)
    return np.ascontiguousarray(varied.permute(1, 2, 0).numpy())
