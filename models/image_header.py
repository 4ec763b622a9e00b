"""What an encoded picture declares about itself, and whether all of its bytes are there.

OpenCV half-decodes a JPEG that was cut off, and allocates whatever a header asks for. So each
container is walked here first, without decoding: the size, the kind of pixels, and the mark or
length that proves that the end has arrived.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from models.errors import ImageError

# What ends entropy-coded data or opens a segment; stuffed zeros and restart markers do neither.
JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_SCAN = 0xDA
JPEG_END = 0xD9

BMP_UNCOMPRESSED = 0
BMP_BITFIELDS = 3
# Red, green and blue where an uncompressed 32-bit picture has them.
BMP_USUAL_MASKS = (0xFF0000, 0xFF00, 0xFF)

WEBP_ANIMATED = 0x02


@dataclass(frozen=True, slots=True)
class Header:
    """The declared size of a whole picture."""

    height: int
    width: int
    #: Bits of one channel of one pixel; 16 for deep pictures, 8 for all others.
    bits: int = 8


def truncated(kind: str) -> ImageError:
    """The error for a picture whose end is missing."""
    return ImageError(
        "truncated",
        f"the {kind} picture ends too early, it was cut off while it was written or sent: "
        "send it again",
    )


def damaged(kind: str, problem: str) -> ImageError:
    """The error for a picture that contradicts its own format."""
    return ImageError("damaged", f"the {kind} picture is damaged: {problem}; send it again")


def unsupported(kind: str, problem: str, wanted: str) -> ImageError:
    """The error for a valid picture of a sort that is not read."""
    return ImageError("unsupported", f"the {kind} picture {problem}; send {wanted}")


def check_size(kind: str, height: int, width: int, max_pixels: int) -> None:
    """Refuse an impossible or too large declared size."""
    if height < 1 or width < 1:
        raise damaged(kind, f"it declares {height} x {width} pixels")
    if height * width > max_pixels:
        raise ImageError(
            "too_large",
            f"the {kind} picture declares {height} x {width} pixels, at most {max_pixels:,} are "
            "decoded: send a smaller picture",
        )


def read_png(data: bytes, max_pixels: int) -> Header:
    """Walk the chunks of a PNG to its end chunk and verify every checksum."""
    if data[12:16] != b"IHDR":
        raise truncated("PNG") if len(data) < 16 else damaged("PNG", "it has no header chunk")
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    check_size("PNG", height, width, max_pixels)
    view, position, has_pixels = memoryview(data), 8, False
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        (checksum,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(view[position + 4 : end]) != checksum:
            raise damaged("PNG", f"the checksum of a {kind!r} chunk is wrong")
        if kind == b"IEND":
            break
        if kind == b"acTL":
            raise unsupported("PNG", "is animated", "one picture a frame")
        has_pixels |= kind == b"IDAT"
        position = end + 4
    if not has_pixels:
        raise damaged("PNG", "it holds no pixels")
    return Header(height, width, 16 if bits == 16 else 8)


def read_jpeg(data: bytes, max_pixels: int) -> Header:
    """Walk the segments and scans of a JPEG to its end marker."""
    header, has_pixels, position = None, False, 2
    while True:
        found = JPEG_MARKER.search(data, position)
        if found is None:
            raise truncated("JPEG")
        marker, position = data[found.end() - 1], found.end()
        if marker == JPEG_END:
            break
        if marker in JPEG_FRAMES:
            header = _jpeg_frame(data, position, max_pixels)
        has_pixels |= marker == JPEG_SCAN
        position += struct.unpack_from(">H", data, position)[0]
    if header is None or not has_pixels:
        raise damaged("JPEG", "it holds no pixels")
    return header


def _jpeg_frame(data: bytes, position: int, max_pixels: int) -> Header:
    bits, height, width, channels = struct.unpack_from(">xxBHHB", data, position)
    check_size("JPEG", height, width, max_pixels)
    if bits != 8 or channels not in (1, 3):
        # Four channels are CMYK: what its numbers mean depends on the program that wrote them.
        problem = f"has {channels} channels of {bits} bits"
        raise unsupported("JPEG", problem, "grey or RGB with 8 bits a channel")
    return Header(height, width)


def read_bmp(data: bytes, max_pixels: int) -> Header:
    """Check that the pixel rows of an uncompressed BMP are all there."""
    offset, header_size = struct.unpack_from("<II", data, 10)
    if header_size < 40:
        raise unsupported("BMP", "has an OS/2 header", "a BMP with a Windows header, or PNG")
    width, height, bits, compression = struct.unpack_from("<iixxHI", data, 18)
    height = abs(height)  # negative: the rows run from top to bottom
    check_size("BMP", height, width, max_pixels)
    usual = compression == BMP_UNCOMPRESSED and bits in (1, 4, 8, 24, 32)
    if compression == BMP_BITFIELDS and bits == 32:
        usual = struct.unpack_from("<III", data, 54) == BMP_USUAL_MASKS
    if not usual:
        problem = f"has {bits} bits a pixel and compression {compression}"
        raise unsupported("BMP", problem, "it uncompressed with 8, 24 or 32 bits a pixel, or PNG")
    if offset < 14 + header_size:
        raise damaged("BMP", "its pixels begin inside its header")
    row_bytes = (width * bits + 31) // 32 * 4
    if offset + row_bytes * height > len(data):
        raise truncated("BMP")
    return Header(height, width)


def read_webp(data: bytes, max_pixels: int) -> Header:
    """Check that a WebP has as many bytes as it declares, and holds one still picture."""
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    kind = data[12:16]
    if kind == b"VP8X":
        flags, width_bytes, height_bytes = struct.unpack_from("<B3x3s3s", data, 20)
        width = int.from_bytes(width_bytes, "little") + 1
        height = int.from_bytes(height_bytes, "little") + 1
        if flags & WEBP_ANIMATED:
            raise unsupported("WebP", "is animated", "one picture a frame")
    elif kind == b"VP8L":
        (size,) = struct.unpack_from("<I", data, 21)
        width, height = (size & 0x3FFF) + 1, (size >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise truncated("WebP") if len(data) < 16 else damaged("WebP", "it holds no picture")
    check_size("WebP", height, width, max_pixels)
    if 8 + riff_bytes > len(data):
        raise truncated("WebP")
    return Header(height, width)
