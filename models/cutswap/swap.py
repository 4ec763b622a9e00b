"""Two patches of an image change places: as they are, or thin and turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.cutpaste.patches import (
    SMALLEST,
    draw_angle,
    draw_patch_size,
    draw_scar_size,
    jitter,
    lay_over,
    rotate,
    rotated_size,
)
from models.cutswap.anchors import Rule, draw_anchors

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.cutpaste.patches import Pair

#: What a side is multiplied with to shrink it.
_SHRINK = 0.8


def swap(
    image: NDArray[np.uint8], salient: NDArray[np.bool_], rng: Generator, *, patch_jitter: float
) -> tuple[NDArray[np.uint8] | None, Rule]:
    """Swap two patches whose upper left pixels are salient.

    Args:
        image: (H, W, 3) RGB, not changed.
        salient: (H, W).
        rng: draws size, anchors and colours.
        patch_jitter: how much the patches' colours vary.

    Returns:
        The changed copy and how the anchors were come by; None if there is no room for the patches.
    """
    sizes = shrinking(draw_patch_size((salient.shape[0], salient.shape[1]), rng))
    anchors = draw_anchors(salient, sizes, rng)
    if anchors is None:
        return None, Rule.SKIPPED
    size = sizes[anchors.size]
    # Both are copied before either is written.
    first, second = (
        jitter(crop(image, anchor, size), patch_jitter, rng)
        for anchor in (anchors.first, anchors.second)
    )
    swapped = image.copy()
    crop(swapped, anchors.second, size)[:] = first
    crop(swapped, anchors.first, size)[:] = second
    return swapped, anchors.rule


def swap_scars(
    image: NDArray[np.uint8], salient: NDArray[np.bool_], rng: Generator, *, patch_jitter: float
) -> tuple[NDArray[np.uint8] | None, Rule]:
    """Swap two thin patches, each turned by its own angle and laid over what is there.

    As `swap`; what has to fit and be disjoint is the room that a patch takes before and after.
    """
    sizes = shrinking(draw_scar_size((salient.shape[0], salient.shape[1]), rng))
    angles = draw_angle(rng), draw_angle(rng)
    anchors = draw_anchors(salient, [_room(size, angles) for size in sizes], rng)
    if anchors is None:
        return None, Rule.SKIPPED
    size = sizes[anchors.size]
    turned = [
        rotate(jitter(crop(image, anchor, size), patch_jitter, rng), degrees)
        for anchor, degrees in zip((anchors.first, anchors.second), angles, strict=True)
    ]
    swapped = image.copy()
    for anchor, (canvas, opacity) in zip((anchors.second, anchors.first), turned, strict=True):
        lay_over(swapped, anchor, canvas, opacity)
    return swapped, anchors.rule


def shrinking(size: Pair) -> list[Pair]:
    """A patch's height and width, and what comes of them by shrinking, down to 2 pixels a side."""
    sizes = [size]
    while max(size) > SMALLEST:
        height, width = (max(SMALLEST, int(_SHRINK * side)) for side in size)
        size = height, width
        sizes.append(size)
    return sizes


def crop(image: NDArray[np.uint8], anchor: Pair, size: Pair) -> NDArray[np.uint8]:
    """The part of `image` below and right of `anchor`, a view."""
    return image[anchor[0] : anchor[0] + size[0], anchor[1] : anchor[1] + size[1]]


def _room(size: Pair, angles: tuple[float, float]) -> Pair:
    """What holds a patch of `size` as it is, and turned by either angle."""
    heights, widths = zip(size, *(rotated_size(size, degrees) for degrees in angles), strict=True)
    return max(heights), max(widths)
