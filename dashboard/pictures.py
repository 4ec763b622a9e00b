"""Frames and anomaly maps as JPEGs at display size, rendered once and kept in bounded caches.

The caches are keyed by what a picture is made of: store keys, scale and size.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import streamlit as st
import structlog

from dashboard.database import store
from db.errors import StoreError
from models.errors import ImageError
from models.images import decode, decode_mask
from models.maps import decode_map, heat_ends, heat_overlay

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from db.inspections import InspectionView

log = structlog.get_logger()

#: Longer edge of a picture, in pixels.
THUMBNAIL_PX = 128
SHEET_PX = 320
TILE_PX = 720
CARD_PX = 1200
JPEG_QUALITY = 85
#: Seconds that pictures and masks are kept; said as "6h", Streamlit would load pandas to read it.
KEPT_S = 6 * 3600
#: How strongly the map covers the picture on the Live page.
TILE_OPACITY = 0.7
#: RGB of a defect's outline, and of what sets it off.
OUTLINE, OUTLINE_EDGE = (255, 214, 64), (18, 24, 29)


@dataclass(frozen=True, slots=True)
class Heat:
    """An anomaly map in the store, and how it is coloured."""

    map_key: str
    #: Ends of the map's own uint8 scale.
    low: float
    high: float
    #: Scores at which the colour begins and is full: of the model version, not of the picture.
    begin: float
    full: float


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a rendered picture depends on."""

    image_key: str
    #: None: there is no map.
    heat: Heat | None = None


def of(frame: InspectionView, *, bare: bool = False) -> Picture | None:
    """What an inspection's pictures are made of; None if its frame was not kept.

    Args:
        bare: without the map, for a blind check.
    """
    if frame.image_key is None:
        return None
    if bare:
        return Picture(frame.image_key)
    review, reject = frame.map_review, frame.map_reject
    if frame.map_key is None or frame.map_low is None or frame.map_high is None:
        return Picture(frame.image_key)
    if review is None or reject is None:
        return Picture(frame.image_key)
    scale = (frame.map_low, frame.map_high)
    return Picture(frame.image_key, Heat(frame.map_key, *scale, *heat_ends(review, reject)))


def thumbnail(picture: Picture) -> str | None:
    """The bare frame, small, as a data URI; None if the store does not have it."""
    return _or_none(lambda: _plain(picture.image_key, THUMBNAIL_PX))


def sheet(image_key: str) -> str | None:
    """The bare frame for a contact sheet, as a data URI; None if the store does not have it."""
    return _or_none(lambda: _plain(image_key, SHEET_PX))


def marked(image_key: str, mask_key: str | None, *, large: bool = False) -> str | None:
    """The frame with its defect outlined, as a data URI; None if the store does not have it.

    Args:
        mask_key: where the defect is; None: nobody said, and nothing is outlined.
        large: at the size of a card instead of a contact sheet's.
    """
    edge_px = CARD_PX if large else SHEET_PX
    if mask_key is None:
        return _or_none(lambda: _plain(image_key, edge_px))
    return _or_none(lambda: _outlined(image_key, mask_key, edge_px))


def tile(picture: Picture) -> str | None:
    """The frame with its map laid over it, as a data URI; None if the store does not have it."""
    return _or_none(lambda: _overlaid(picture, TILE_PX, TILE_OPACITY))


def card(picture: Picture) -> tuple[str, str | None] | None:
    """The bare frame and the frame under full heat, as data URIs, to be blended by the browser.

    The overlay is linear in its opacity, so that changing it needs no rendering. The second is
    None without a map; the whole is None if the store does not have the frame.
    """
    plain = _or_none(lambda: _plain(picture.image_key, CARD_PX))
    if plain is None:
        return None
    hot = _or_none(lambda: _overlaid(picture, CARD_PX, 1.0)) if picture.heat else None
    return plain, hot


def _or_none(render: Callable[[], str]) -> str | None:
    """What `render` gives; None where a picture is missing or damaged, so that the page stays."""
    try:
        return render()
    except (StoreError, ImageError) as error:
        log.warning("picture_missing", error=str(error))
        return None


@st.cache_data(max_entries=1024, ttl=KEPT_S, show_spinner=False)
def _plain(image_key: str, edge_px: int) -> str:
    return _data_uri(_read(image_key, edge_px))


@st.cache_data(max_entries=256, ttl=KEPT_S, show_spinner=False)
def _overlaid(picture: Picture, edge_px: int, opacity: float) -> str:
    rgb = _read(picture.image_key, edge_px)
    heat = picture.heat
    if heat is None:
        return _data_uri(rgb)
    anomaly_map = decode_map(store().get(heat.map_key), heat.low, heat.high)
    return _data_uri(
        heat_overlay(rgb, anomaly_map, low=heat.begin, high=heat.full, opacity=opacity)
    )


@st.cache_data(max_entries=512, ttl=KEPT_S, show_spinner=False)
def _outlined(image_key: str, mask_key: str, edge_px: int) -> str:
    rgb = _read(image_key, edge_px)
    height, width = rgb.shape[:2]
    mask = decode_mask(store().get(mask_key)).astype(np.uint8)
    # Small defects stay in sight when the picture shrinks: a pixel counts if any of it is marked.
    shrunk = cv2.resize(mask * 255, (width, height), interpolation=cv2.INTER_AREA)
    found, _ = cv2.findContours(
        (shrunk > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    line_px = max(1, round(max(height, width) / 240))
    for colour, more in ((OUTLINE_EDGE, 2), (OUTLINE, 0)):  # dark around bright: seen on any part
        cv2.drawContours(rgb, found, -1, colour, line_px + more, cv2.LINE_AA)
    return _data_uri(rgb)


def _read(image_key: str, edge_px: int) -> NDArray[np.uint8]:
    return _fit(decode(store().get(image_key)), edge_px)


def _fit(rgb: NDArray[np.uint8], edge_px: int) -> NDArray[np.uint8]:
    """Shrink to at most `edge_px` on the longer edge; enlarging is left to the browser."""
    full_height, full_width = rgb.shape[:2]
    height, width = fitted(full_height, full_width, edge_px)
    if (height, width) == (full_height, full_width):
        return rgb
    shrunk = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, dtype=np.uint8)


def fitted(height: int, width: int, edge_px: int) -> tuple[int, int]:
    """Height and width of a picture whose longer edge is at most `edge_px`."""
    scale = min(1.0, edge_px / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _data_uri(rgb: NDArray[np.uint8]) -> str:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, "OpenCV encodes every uint8 picture of at least one pixel"  # noqa: S101
    return f"data:image/jpeg;base64,{b64encode(encoded.tobytes()).decode('ascii')}"
