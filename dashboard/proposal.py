"""The proposed mask of a defect: where the anomaly map exceeds what good parts show.

The same pixels are drawn as a contour, zoomed to, and stored once a person accepts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import streamlit as st
import structlog

from dashboard.database import store
from dashboard.pictures import KEPT_S
from db.errors import BadMask, StoreError
from db.masks import encode_mask, read_mask
from models.errors import ImageError
from models.maps import decode_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.inspections import InspectionView

log = structlog.get_logger()

#: A contour may leave the mask's edge by this share of the picture's longer edge.
TOLERANCE = 0.002


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mask of the picture's size, ready to be shown and stored."""

    png: bytes
    #: Its outline, as the data of an SVG path in the picture's pixels.
    path: str
    #: Middle of its largest spot, as shares of width and height.
    focus: tuple[float, float]


def of_map(frame: InspectionView) -> Proposal | None:
    """What the machine proposes; None without a map, or where nothing in it sticks out."""
    height, width = frame.height_px, frame.width_px
    if frame.map_key is None or frame.map_review is None or not height or not width:
        return None
    if frame.map_low is None or frame.map_high is None or frame.map_high < frame.map_review:
        return None
    try:
        return _of_map(
            frame.map_key, frame.map_low, frame.map_high, frame.map_review, height, width
        )
    except (StoreError, ImageError) as error:
        log.warning("map_missing", error=str(error))
        return None


def of_stored_mask(mask_key: str, frame: InspectionView) -> Proposal | None:
    """An earlier reviewer's mask; None if the store does not have it any more."""
    if not frame.height_px or not frame.width_px:
        return None
    try:
        return _of_stored_mask(mask_key, frame.height_px, frame.width_px)
    except (StoreError, BadMask) as error:
        log.warning("mask_missing", error=str(error))
        return None


def of_pixels(marked: NDArray[np.bool_], png: bytes | None = None) -> Proposal:
    """A mask (H, W) of the picture's size that marks something; `png` is what it was read from."""
    height, width = marked.shape
    outlines, _ = cv2.findContours(marked.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    tolerance = TOLERANCE * max(height, width)
    path = "".join(_path(cv2.approxPolyDP(each, tolerance, closed=True)) for each in outlines)
    left, top, wide, tall = cv2.boundingRect(max(outlines, key=cv2.contourArea))
    middle = ((left + wide / 2) / width, (top + tall / 2) / height)
    return Proposal(png or encode_mask(marked), path, middle)


@st.cache_data(max_entries=128, ttl=KEPT_S, show_spinner=False)
def _of_map(
    map_key: str, low: float, high: float, threshold: float, height: int, width: int
) -> Proposal | None:
    anomaly_map = decode_map(store().get(map_key), low, high)
    enlarged = cv2.resize(anomaly_map, (width, height), interpolation=cv2.INTER_LINEAR)
    marked = enlarged >= threshold
    return of_pixels(marked) if marked.any() else None


@st.cache_data(max_entries=64, ttl=KEPT_S, show_spinner=False)
def _of_stored_mask(mask_key: str, height: int, width: int) -> Proposal:
    png = store().get(mask_key)
    return of_pixels(read_mask(png, height_px=height, width_px=width), png)


def _path(points: NDArray[Any]) -> str:
    # A pixel's middle lies half a pixel from its corner, where SVG counts from.
    steps = " ".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in points[:, 0])
    return f"M{steps}z"
