"""What a TIFF declares about itself: a small, strict subset of what the format allows.

OpenCV silently turns, premultiplies, converts or misreads the rarer sorts, so only the plain ones
that it is known to read right are let through: one page, strips, grey or RGB or palette, 8 or 16
unsigned bits, lossless or no compression.
"""

from __future__ import annotations

import struct

from models.image_header import Header, check_size, damaged, truncated, unsupported

# Bytes of one value by TIFF field type, 1 (BYTE) to 12 (DOUBLE).
TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)
TYPE_LETTERS = {1: "B", 3: "H", 4: "I"}
NOT_A_NUMBER, ABSENT = -1, -2

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, CHANNELS, STRIP_BYTES = 273, 274, 277, 279
PLANAR, TILE_WIDTH, EXTRA_CHANNELS, SAMPLE_FORMAT = 284, 322, 338, 339

# What a tag may say, and what is meant where it is absent. Compression: none, LZW, deflate (two
# codes), PackBits. Photometric: black is zero, RGB, palette.
PLAIN = {
    COMPRESSION: ({1, 5, 8, 32946, 32773}, 1),
    PHOTOMETRIC: ({1, 2, 3}, ABSENT),
    ORIENTATION: ({1}, 1),
    CHANNELS: ({1, 3}, 1),
    PLANAR: ({1}, 1),
    SAMPLE_FORMAT: ({1}, 1),
    TILE_WIDTH: ({0}, 0),
    EXTRA_CHANNELS: ({ABSENT}, ABSENT),
}
LOOKED_AT = PLAIN.keys() | {WIDTH, HEIGHT, BITS, STRIP_OFFSETS, STRIP_BYTES}
WANTED = "a plain single-page TIFF (strips, grey or RGB, 8 or 16 bits, no alpha), or PNG"


def read_tiff(data: bytes, max_pixels: int) -> Header:
    """Check a TIFF's only directory, and that everything it points to is there."""
    order = "<" if data[:2] == b"II" else ">"
    tags = _read_directory(data, order)
    height, width = tags.get(HEIGHT, (0,))[0], tags.get(WIDTH, (0,))[0]
    check_size("TIFF", height, width, max_pixels)
    _check_plain(tags)
    offsets, lengths = tags.get(STRIP_OFFSETS, ()), tags.get(STRIP_BYTES, ())
    if not offsets or len(offsets) != len(lengths) or min(offsets) < 8 or min(lengths) < 1:
        raise damaged("TIFF", "it does not say where its pixels are")
    if any(start + length > len(data) for start, length in zip(offsets, lengths, strict=True)):
        raise truncated("TIFF")
    return Header(height, width, tags[BITS][0])


def _read_directory(data: bytes, order: str) -> dict[int, tuple[int, ...]]:
    """The tags looked at; every value of every tag must lie inside the file."""
    (position,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, position)
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(position + 2, position + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", data, entry)
        if not 1 <= kind < len(TYPE_BYTES) or values < 1 or tag in tags:
            raise damaged("TIFF", f"tag {tag} is repeated, empty or of an unknown type")
        value_bytes, start = values * TYPE_BYTES[kind], entry + 8
        if value_bytes > 4:
            (start,) = struct.unpack_from(order + "I", data, start)
        if start + value_bytes > len(data):
            raise truncated("TIFF")
        if tag in LOOKED_AT:
            letter = TYPE_LETTERS.get(kind)
            tags[tag] = (
                struct.unpack_from(f"{order}{values}{letter}", data, start)
                if letter
                else (NOT_A_NUMBER,)
            )
    (next_page,) = struct.unpack_from(order + "I", data, position + 2 + 12 * count)
    if next_page:
        raise unsupported("TIFF", "has several pages", WANTED)
    return tags


def _check_plain(tags: dict[int, tuple[int, ...]]) -> None:
    for tag, (allowed, default) in PLAIN.items():
        values = tags.get(tag, (default,))
        if not allowed.issuperset(values):
            raise unsupported("TIFF", f"has {values} in tag {tag}", WANTED)
    bits = tags.get(BITS, (1,))
    if set(bits) not in ({8}, {16}):
        raise unsupported("TIFF", f"has {bits} bits a channel", WANTED)
