"""Encoded pictures in, RGB arrays out; what is not one whole picture is refused, never guessed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from models.errors import ImageError
from models.image_header import (
    Header,
    damaged,
    read_bmp,
    read_jpeg,
    read_png,
    read_webp,
    truncated,
)
from models.tiff_header import read_tiff

if TYPE_CHECKING:
    from numpy.typing import NDArray

READERS = {
    "image/png": read_png,
    "image/jpeg": read_jpeg,
    "image/bmp": read_bmp,
    "image/tiff": read_tiff,
    "image/webp": read_webp,
}
MAGICS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8", "image/jpeg"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
#: Formats whose pixels are not always those that were written.
LOSSY = frozenset({"image/jpeg", "image/webp"})


def media_type(data: bytes) -> str:
    """Tell the format of an encoded picture by its first bytes, e.g. `image/png`.

    Raises:
        ImageError: `empty`, or `not_an_image` for anything but PNG, JPEG, BMP, TIFF and WebP.
    """
    if not data:
        raise ImageError("empty", "the picture has no bytes: check the program that writes it")
    for magic, kind in MAGICS:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise ImageError(
        "not_an_image",
        f"{len(data)} bytes that begin with {data[:8]!r} are no picture: "
        "send PNG, JPEG, BMP, TIFF or WebP",
    )


def decode(data: bytes, *, max_pixels: int = 100_000_000) -> NDArray[np.uint8]:
    """Decode one picture, or refuse it.

    16-bit pictures are scaled from the full range (65535 becomes 255): a camera that fills only 12
    of 16 bits gives a dark picture, so let it shift its values. Grey is replicated, alpha dropped.
    The EXIF orientation is not applied: cameras on a line do not set it, and masks must match.
    A picture cut off anywhere is refused; bytes changed in the middle are noticed in a PNG (it has
    checksums) but not always in the other formats.

    Args:
        data: a whole PNG, JPEG, BMP, TIFF or WebP file.
        max_pixels: largest declared height times width; checked before anything is allocated.

    Returns:
        (H, W, 3) RGB.

    Raises:
        ImageError: `empty`, `not_an_image`, `truncated`, `damaged`, `too_large`, or `unsupported`
            (animated, several pages, CMYK and the like).
    """
    pixels = _pixels(data, max_pixels)
    if pixels.dtype == np.uint16:
        return cast("NDArray[np.uint8]", cv2.convertScaleAbs(pixels, alpha=255 / 65535))
    return pixels


def decode_mask(data: bytes, *, max_pixels: int = 100_000_000) -> NDArray[np.bool_]:
    """Decode a picture that marks pixels: those that are not black, whatever number or colour.

    So masks may be written as 0/255, as 0/1, with a number for each kind of defect, and in 16 bits.
    JPEG and WebP blur edges and leave noise in the black: in them a pixel counts from middle grey.

    Args:
        data: as for `decode`.
        max_pixels: as for `decode`.

    Returns:
        (H, W).

    Raises:
        ImageError: as `decode`.
    """
    pixels = _pixels(data, max_pixels)
    least = 128 if media_type(data) in LOSSY else 1
    is_marked: NDArray[np.bool_] = pixels.max(axis=2) >= least
    return is_marked


def _pixels(data: bytes, max_pixels: int) -> NDArray[Any]:
    """(H, W, 3) RGB as stored: uint8, or uint16 for deep pictures."""
    kind = media_type(data)
    try:
        header = READERS[kind](data, max_pixels)
    except struct.error as exc:  # a field would lie behind the end of the data
        raise truncated(kind) from exc
    rgb = _decode_pixels(data, header)
    wanted = np.uint8 if header.bits == 8 else np.uint16
    if rgb is None or rgb.shape != (header.height, header.width, 3) or rgb.dtype != wanted:
        raise damaged(kind, f"its {header.height} x {header.width} pixels cannot be decoded")
    return rgb


def _decode_pixels(data: bytes, header: Header) -> NDArray[Any] | None:
    encoded = np.frombuffer(data, np.uint8)
    flags = cv2.IMREAD_IGNORE_ORIENTATION
    try:
        if header.bits == 8:
            return cv2.imdecode(encoded, flags | cv2.IMREAD_COLOR_RGB)
        # OpenCV 5.0 returns uninitialised memory for a 16-bit colour TIFF asked for as RGB.
        bgr = cv2.imdecode(encoded, flags | cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    except cv2.error:
        return None
