"""Masks of defects: checked before they are stored, so that no review names a bad one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from db.errors import BadMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.store import ImageStore

PNG = b"\x89PNG\r\n\x1a\n"
#: Signature, length and name of the first chunk, then width and height.
_HEAD_BYTES = 24
_SIGNATURE_BYTES = 8
#: Of a chunk beside its data: length, name and checksum.
_CHUNK_BYTES = 12


def put_mask(store: ImageStore, png: bytes, *, height_px: int, width_px: int) -> str:
    """Store a mask, white where the defect is and black elsewhere, and return its key.

    Args:
        store: the image store.
        png: an 8-bit PNG of exactly the picture's size.
        height_px: the picture's height.
        width_px: the picture's width.

    Raises:
        BadMask: if it is no PNG, of another size, damaged, or marks nothing.
        StoreError: if it cannot be stored.
    """
    read_mask(png, height_px=height_px, width_px=width_px)
    return store.put(png, ".png")


def read_mask(png: bytes, *, height_px: int, width_px: int) -> NDArray[np.bool_]:
    """The marked pixels (H, W) of a mask; raises BadMask as `put_mask` does."""
    # The size first: a small file may declare a picture of gigabytes.
    size = _declared_size(png)
    if size != (height_px, width_px):
        raise BadMask(
            f"the mask has {size[1]} x {size[0]} pixels and the picture {width_px} x {height_px}: "
            "a mask must cover exactly the picture, draw it again"
        )
    _check_whole(png)
    levels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if levels is None or levels.shape != size:
        raise BadMask("the mask is a damaged PNG and cannot be read: draw it again")
    marked: NDArray[np.bool_] = levels > 0
    if not marked.any():
        raise BadMask("the mask marks nothing in the picture: draw it again, or choose no mask")
    return marked


def encode_mask(marked: NDArray[np.bool_]) -> bytes:
    """The PNG of marked pixels (H, W)."""
    return cv2.imencode(".png", marked.astype(np.uint8) * 255)[1].tobytes()


def _declared_size(png: bytes) -> tuple[int, int]:
    """Height and width that a PNG's header names."""
    if len(png) < _HEAD_BYTES or not png.startswith(PNG) or png[12:16] != b"IHDR":
        raise BadMask(
            f"{len(png)} bytes that begin with {png[:8]!r} are no PNG: a mask must be one, "
            "of the picture's size, white on black"
        )
    return int.from_bytes(png[20:24], "big"), int.from_bytes(png[16:20], "big")


def _check_whole(png: bytes) -> None:
    """Every chunk as long as it says: OpenCV would make room for what a lying one declares."""
    position = _SIGNATURE_BYTES
    while position < len(png):
        position += _CHUNK_BYTES + int.from_bytes(png[position : position + 4], "big")
    if position != len(png):
        raise BadMask("the mask is a damaged PNG, cut off or changed: draw it again")
