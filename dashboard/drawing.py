"""Drawing a defect's mask on the picture. Loaded only when somebody draws.

The canvas is a small component of our own: `drawing.js` and `drawing.css`.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import streamlit as st

from dashboard import deciding, pictures, proposal
from dashboard.markup import sentence
from db.errors import BadMask
from db.masks import read_mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboard.deciding import Look
    from db.inspections import InspectionView

HERE = Path(__file__).parent
PREFIX = "data:image/png;base64,"
#: A mask of the largest canvas, however it was scribbled, is far smaller.
MAX_CHARS = 8_000_000


def is_possible(frame: InspectionView) -> bool:
    """Whether there is a picture to draw on."""
    return frame.image_key is not None and bool(frame.height_px and frame.width_px)


def show(look: Look) -> bool:
    """The canvas in place of the card; False if the picture is missing."""
    frame = look.frame
    parts = pictures.of(frame, bare=True)
    rendered = pictures.card(parts) if parts else None
    if rendered is None or frame.height_px is None or frame.width_px is None:
        look.is_drawing = False
        return False
    height, width = pictures.fitted(frame.height_px, frame.width_px, pictures.CARD_PX)
    key = f"drawing-{frame.id}"
    _component()(
        key=key,
        data={"picture": rendered[0], "height": height, "width": width},
        on_drawn_change=lambda: _take(look, st.session_state[key], height, width),
        on_cancelled_change=lambda: deciding.draw(frame.id, begin=False),
    )
    return True


def accept(look: Look, data_uri: str, height: int, width: int) -> None:
    """Let a mask from the canvas be the card's.

    Args:
        look: the card.
        data_uri: what the browser sent: a PNG of the canvas's size.
        height: the canvas's; it may be smaller than the picture.
        width: likewise.

    Raises:
        BadMask: if it is no such PNG, or marks nothing.
    """
    marked = read_mask(_png(data_uri), height_px=height, width_px=width)
    full_height, full_width = look.frame.height_px or height, look.frame.width_px or width
    full = cv2.resize(
        marked.astype(np.uint8), (full_width, full_height), interpolation=cv2.INTER_NEAREST
    )
    look.drawn = proposal.of_pixels(full > 0)
    look.is_mask_accepted = True
    look.is_drawing = False


def _take(look: Look, state: dict[str, Any], height: int, width: int) -> None:
    here = deciding.place()
    try:
        accept(look, str(state["drawn"]), height, width)
        here.note = None
    except BadMask as error:
        here.note = sentence(str(error))


def _png(data_uri: str) -> bytes:
    if not data_uri.startswith(PREFIX) or len(data_uri) > MAX_CHARS:
        raise BadMask("the browser sent no mask: draw it again")
    try:
        return b64decode(data_uri.removeprefix(PREFIX), validate=True)
    except Base64Error as exc:
        raise BadMask("the browser sent a damaged mask: draw it again") from exc


@lru_cache(maxsize=1)
def _component() -> Callable[..., object]:
    return st.components.v2.component(
        "linewatch_drawing",
        html='<div class="root"></div>',
        css=(HERE / "drawing.css").read_text("utf-8"),
        js=(HERE / "drawing.js").read_text("utf-8"),
    )
