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
from models.images import decode
from models.maps import decode_map, heat_ends, heat_overlay

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from db.inspections import InspectionView

log = structlog.get_logger()

#: Longer edge of a picture, in pixels.
THUMBNAIL_PX = 128
TILE_PX = 720
CARD_PX = 1200
JPEG_QUALITY = 85
#: How strongly the map covers the picture on the Live page.
TILE_OPACITY = 0.7


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


def of(frame: InspectionView) -> Picture | None:
    """What an inspection's pictures are made of; None if its frame was not kept."""
    if frame.image_key is None:
        return None
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


@st.cache_data(max_entries=1024, ttl="6h", show_spinner=False)
def _plain(image_key: str, edge_px: int) -> str:
    return _data_uri(_read(image_key, edge_px))


@st.cache_data(max_entries=256, ttl="6h", show_spinner=False)
def _overlaid(picture: Picture, edge_px: int, opacity: float) -> str:
    rgb = _read(picture.image_key, edge_px)
    heat = picture.heat
    if heat is None:
        return _data_uri(rgb)
    anomaly_map = decode_map(store().get(heat.map_key), heat.low, heat.high)
    return _data_uri(
        heat_overlay(rgb, anomaly_map, low=heat.begin, high=heat.full, opacity=opacity)
    )


def _read(image_key: str, edge_px: int) -> NDArray[np.uint8]:
    return _fit(decode(store().get(image_key)), edge_px)


def _fit(rgb: NDArray[np.uint8], edge_px: int) -> NDArray[np.uint8]:
    """Shrink to at most `edge_px` on the longer edge; enlarging is left to the browser."""
    height, width = rgb.shape[:2]
    if max(height, width) <= edge_px:
        return rgb
    scale = edge_px / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _data_uri(rgb: NDArray[np.uint8]) -> str:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, "OpenCV encodes every uint8 picture of at least one pixel"  # noqa: S101
    return f"data:image/jpeg;base64,{b64encode(encoded.tobytes()).decode('ascii')}"
