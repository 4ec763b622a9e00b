"""From a picture to the bytes in the stream."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from ingest.errors import EncodingError
from ingest.frame import MEDIA_TYPE_SUFFIXES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ingest.sources.picture import Picture

#: PNG is lossless at every level; level 1 takes a fifth of the time of level 6, for a few per cent.
PNG_LEVEL = 1
SUFFIX_MEDIA_TYPES = {
    **{suffix: media_type for media_type, suffix in MEDIA_TYPE_SUFFIXES.items()},
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
}


class Encoding(StrEnum):
    """How a camera's pictures travel."""

    JPEG = "jpeg"
    #: Lossless.
    PNG = "png"


def media_type_of(data: bytes, suffix: str) -> str:
    """What encoded bytes are by their first bytes; by the file's suffix where these say nothing."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"BM"):
        return "image/bmp"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "image/tiff"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return SUFFIX_MEDIA_TYPES.get(suffix.lower(), "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Encoder:
    """Encodes arrays; passes encoded pictures through unless told otherwise."""

    encoding: Encoding = Encoding.JPEG
    #: JPEG quality, 1 to 100.
    quality: int = 95
    #: Decode and encode pictures that come encoded, too.
    reencode: bool = False

    def encode(self, picture: Picture) -> tuple[bytes, str]:
        """The picture's bytes and their media type.

        Raises:
            EncodingError: if it is no picture this encoder can take.
        """
        if isinstance(picture.content, bytes):
            if picture.media_type in MEDIA_TYPE_SUFFIXES and not self.reencode:
                return picture.content, picture.media_type
            return self._encode(decode(picture.content))
        return self._encode(picture.content)

    def _encode(self, array: NDArray[np.uint8]) -> tuple[bytes, str]:
        check_array(array)
        if self.encoding is Encoding.JPEG:
            suffix, parameters = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        else:
            suffix, parameters = ".png", [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]
        try:
            ok, encoded = cv2.imencode(suffix, array, parameters)
        except cv2.error as exc:
            raise EncodingError(f"cannot encode a picture of {array.shape}: {exc}") from exc
        if not ok:
            raise EncodingError(f"cannot encode a picture of {array.shape} as {self.encoding}")
        return encoded.tobytes(), f"image/{self.encoding}"


def check_array(array: NDArray[np.uint8]) -> None:
    """Raises EncodingError unless `array` is a grey or BGR picture of 8 bits."""
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not shaped or array.size == 0:
        raise EncodingError(
            f"a picture of shape {array.shape} and type {array.dtype} cannot be encoded: "
            "expected (height, width) or (height, width, 3) of uint8"
        )


def decode(data: bytes) -> NDArray[np.uint8]:
    """Decode to BGR, or raise EncodingError; only for pictures that are encoded anew."""
    problem: Exception | None = None
    array = None
    if data:
        try:
            array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error as exc:  # among others: more pixels than OpenCV allows
            problem = exc
    if array is None:
        raise EncodingError(
            f"{len(data)} bytes are not a picture that can be decoded: "
            f"expected one of {', '.join(MEDIA_TYPE_SUFFIXES)}"
        ) from problem
    return cast("NDArray[np.uint8]", array)
