"""Where the part is in an image of a good part: no defect should be pasted beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Images are shrunk to about this, in pixels of the longer side: outlines need no more.
_SIZE = 128
#: Share of the variance of grey levels that two levels must explain to be part and background; of
#: an even spread they explain 3/4, of a normal distribution 2/3.
_BIMODAL = 0.8
#: Share of the image's edge that is background where a part lies in front of one.
_AT_EDGE = 0.75
#: Pieces smaller than this share of the largest are no part.
_SMALL_PIECE = 0.1
#: Share of the image that a part covers.
_COVERED = (0.05, 0.9)


def foreground_mask(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the part by thresholding, as the BGAD paper's authors did.

    Otsu's threshold of the blurred grey image splits it in two; what makes up the edge of the image
    is background. Small pieces of the rest are dropped and holes filled. Where grey levels are no
    two groups, the edge belongs to both, or the part would cover next to nothing or almost all,
    the image is taken for a texture: all of it is foreground.

    Args:
        image: (H, W, 3) RGB.

    Returns:
        (H, W), never empty.
    """
    height, width = image.shape[:2]
    part = _part(_small_grey(image))
    if part is None:
        return np.ones((height, width), dtype=np.bool_)
    enlarged = cv2.resize(part.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return enlarged.view(np.bool_)


def _small_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = min(1.0, _SIZE / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (5, 5), 0).view(np.uint8)


def _part(grey: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    bright = grey > threshold
    edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    if _explained(grey, bright) < _BIMODAL or max(edge.mean(), 1 - edge.mean()) < _AT_EDGE:
        return None
    part = _filled(~bright if edge.mean() > 0.5 else bright)
    smallest, largest = _COVERED
    return part if smallest <= part.mean() <= largest else None


def _explained(grey: NDArray[np.uint8], bright: NDArray[np.bool_]) -> float:
    """The share of the variance that lies between the two groups."""
    if not 0 < bright.mean() < 1:
        return 0.0
    between = np.where(bright, grey[bright].mean(), grey[~bright].mean())
    return float(between.var() / grey.var())


def _filled(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without small pieces, holes, and notches of dark spots at the outline."""
    closed = cv2.morphologyEx(part.view(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(outline) for outline in outlines]
    smallest = _SMALL_PIECE * max(areas, default=0)
    kept = [outline for outline, area in zip(outlines, areas, strict=True) if area >= smallest]
    filled = np.zeros(part.shape, dtype=np.uint8)
    cv2.drawContours(filled, kept, -1, 1, cv2.FILLED)
    return filled.view(np.bool_)
