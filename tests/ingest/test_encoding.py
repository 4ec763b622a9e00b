"""Encoding: lossless stays lossless, encoded stays untouched, bad pictures are named."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ingest.encoding import Encoder, Encoding, media_type_of
from ingest.errors import EncodingError
from ingest.sources.picture import Picture

GRADIENT = np.add.outer(np.arange(40), np.arange(60))[:, :, None].repeat(3, 2).astype(np.uint8)


def test_png_gives_back_every_pixel() -> None:
    data, media_type = Encoder(Encoding.PNG).encode(Picture(GRADIENT))

    assert media_type == "image/png"
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(back, GRADIENT)


def test_jpeg_is_near_and_smaller_at_lower_quality() -> None:
    fine, media_type = Encoder(Encoding.JPEG, 95).encode(Picture(GRADIENT))
    coarse, _ = Encoder(Encoding.JPEG, 20).encode(Picture(GRADIENT))

    assert media_type == "image/jpeg"
    assert len(coarse) < len(fine)
    back = cv2.imdecode(np.frombuffer(fine, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.abs(back.astype(int) - GRADIENT).max() <= 5


def test_a_grey_picture_stays_grey() -> None:
    data, _ = Encoder(Encoding.PNG).encode(Picture(GRADIENT[:, :, 0]))

    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert back.shape == (40, 60)


def test_encoded_pictures_pass_through_untouched_even_if_broken() -> None:
    broken = b"\xff\xd8\xff not a whole picture"

    assert Encoder().encode(Picture(broken, "image/jpeg")) == (broken, "image/jpeg")


def test_encoded_pictures_are_encoded_anew_where_asked() -> None:
    png, _ = Encoder(Encoding.PNG).encode(Picture(GRADIENT))

    data, media_type = Encoder(Encoding.JPEG, 90, reencode=True).encode(Picture(png, "image/png"))

    assert media_type == "image/jpeg"
    assert data.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("data", [b"", b"GIF89a...", bytes(100)])
def test_bytes_that_are_no_picture_cannot_be_encoded_anew(data: bytes) -> None:
    with pytest.raises(EncodingError, match="not a picture that can be decoded"):
        Encoder().encode(Picture(data, "image/gif"))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4), np.float32),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_arrays_that_are_no_picture_are_refused(array: np.ndarray) -> None:
    with pytest.raises(EncodingError, match=r"expected \(height, width\)"):
        Encoder().encode(Picture(array))


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".tiff", ".webp"])
def test_the_media_type_follows_the_bytes_not_the_name(extension: str) -> None:
    data = cv2.imencode(extension, GRADIENT)[1].tobytes()

    expected = {".jpg": "image/jpeg"}.get(extension, f"image/{extension[1:]}")
    assert media_type_of(data, ".xyz") == expected


def test_the_media_type_follows_the_name_where_the_bytes_say_nothing() -> None:
    assert media_type_of(b"", ".JPEG") == "image/jpeg"
    assert media_type_of(b"GIF89a", ".gif") == "application/octet-stream"
