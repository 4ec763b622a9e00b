"""Anomaly maps for storing and showing: small PNGs with their scale, and a calm overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import cv2
import numpy as np

from models.errors import ImageError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 255
# Of the inferno colours (evenly growing lightness, safe for colour-blind eyes) only plum to orange:
# the dark end would read as shade in the picture, the pale end vanish on bright parts.
COLOUR_RANGE = (96, 185)


class EncodedMap(NamedTuple):
    """An anomaly map as an 8-bit grey PNG with the scores of its darkest and brightest level."""

    png: bytes
    #: Score of level 0.
    low: float
    #: Score of level 255.
    high: float


def encode_map(anomaly_map: NDArray[np.floating]) -> EncodedMap:
    """Store an anomaly map in 256 levels between its own smallest and largest score.

    Args:
        anomaly_map: (h, w), finite.

    Raises:
        ShapeError: if it is not a two-dimensional, non-empty array.
        ValueError: if a score is not finite.
    """
    if anomaly_map.ndim != 2 or anomaly_map.size == 0:
        raise ShapeError(f"an anomaly map has shape (h, w), got {anomaly_map.shape}")
    low, high = float(anomaly_map.min()), float(anomaly_map.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("an anomaly map holds finite scores only; check the detector")
    levels = np.rint((anomaly_map.astype(np.float64) - low) / ((high - low) or 1.0) * LEVELS)
    return EncodedMap(cv2.imencode(".png", levels.astype(np.uint8))[1].tobytes(), low, high)


def decode_map(png: bytes, low: float, high: float) -> NDArray[np.float32]:
    """The anomaly map (h, w) stored by `encode_map`, to within half a level, (high - low) / 510.

    Raises:
        ImageError: if `png` is not such a picture.
    """
    levels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE) if png else None
    if levels is None:
        raise ImageError("damaged", "the stored anomaly map is no PNG; score the frame again")
    return (low + levels.astype(np.float32) * ((high - low) / LEVELS)).astype(np.float32)


def heat_ends(review: float, reject: float) -> tuple[float, float]:
    """Map scores at which the overlay begins and at which it is strongest.

    It begins as far below `review` as it is strongest above `reject`, so that good parts look calm
    and a smoothed map of a flagged part still shows its spot.

    Args:
        review: peak of the map that about as many good parts exceed as are flagged.
        reject: likewise as are rejected.
    """
    reach = max(reject - review, 0.15 * abs(reject), 1e-6)
    return review - reach, reject + reach


def heat_overlay(
    rgb: NDArray[np.uint8],
    anomaly_map: NDArray[np.floating],
    *,
    low: float,
    high: float,
    opacity: float,
) -> NDArray[np.uint8]:
    """Tint a picture by its anomaly map, on a scale that the caller fixes for all pictures.

    Scores up to `low` leave the picture as it is; from there colour and opacity grow together, so a
    good part looks calm and only what sticks out is covered.

    Args:
        rgb: (H, W, 3) RGB picture.
        anomaly_map: (h, w); resized bilinearly to the picture.
        low: score where the tint begins, e.g. the median score of good pixels.
        high: score of full colour, e.g. the reject threshold or above.
        opacity: 0 to 1, of the tint at `high`.

    Returns:
        (H, W, 3) RGB, a new array.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity is {opacity}, it must lie between 0 and 1")
    if not low < high:
        raise ValueError(f"low is {low} and high is {high}: low must be the smaller one")
    height, width = rgb.shape[:2]
    # Clipped before the resize: a score far above the scale would otherwise spread its edge.
    heat = np.clip((anomaly_map.astype(np.float32) - low) / (high - low), 0, 1)
    heat = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = (COLOUR_RANGE[0] + heat * (COLOUR_RANGE[1] - COLOUR_RANGE[0])).astype(np.uint8)
    tint = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    share = heat * opacity
    return cast("NDArray[np.uint8]", cv2.blendLinear(tint, rgb, share, 1 - share))
