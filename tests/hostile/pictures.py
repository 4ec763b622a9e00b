"""Pictures nobody should send: broken, lying, huge, of other kinds; and what must come of each."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

HEIGHT, WIDTH = 21, 34
#: Reasons that `models.images.decode` may give.
REASONS = frozenset({"empty", "not_an_image", "truncated", "damaged", "too_large", "unsupported"})
#: What a picture of HEIGHT x WIDTH is read as.
READ = "read"


class Picture(NamedTuple):
    """One case."""

    name: str
    data: bytes
    #: A reason, READ, or both where the decoder may take either.
    expected: frozenset[str]


def pictures() -> list[Picture]:
    """All of them, each with a name of its own."""
    return [*_whole(), *_other_kinds(), *_cut_off(), *_declared(), *_bombs(), *_changed()]


def _grain() -> np.ndarray:
    rng = np.random.default_rng(0)
    return cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 2)


def _written(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _rgb() -> Image.Image:
    return Image.fromarray(_grain())


def _deep() -> np.ndarray:
    return _grain().astype(np.uint16) * 257


def _samples() -> dict[str, bytes]:
    rgb = _rgb()
    return {
        "png": _written(rgb, "PNG"),
        "jpeg": _written(rgb, "JPEG"),
        "progressive jpeg": _written(rgb, "JPEG", progressive=True),
        "bmp": _written(rgb, "BMP"),
        "tiff": _written(rgb, "TIFF"),
        "lossless webp": _written(rgb, "WEBP", lossless=True),
        "lossy webp": _written(rgb, "WEBP"),
    }


def _case(name: str, data: bytes, *expected: str) -> Picture:
    return Picture(name, data, frozenset(expected))


def _whole() -> Iterator[Picture]:
    rgb = _rgb()
    for name, data in _samples().items():
        yield _case(f"whole {name}", data, READ)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        yield _case(f"EXIF orientation {turn}", _written(rgb, "JPEG", exif=exif), READ)
    yield _case("PNG of 16 bits", cv2.imencode(".png", _deep())[1].tobytes(), READ)
    yield _case("TIFF of 16 bits", cv2.imencode(".tiff", _deep())[1].tobytes(), READ, "unsupported")
    for mode in ("L", "P", "1", "LA", "RGBA"):
        yield _case(f"PNG of mode {mode}", _written(rgb.convert(mode), "PNG"), READ)
    yield _case("bytes after the end", _samples()["png"] + b"more", READ, "damaged")


def _other_kinds() -> Iterator[Picture]:
    rgb = _rgb()
    pair = {"save_all": True, "append_images": [rgb.rotate(180)]}
    yield _case("animated PNG", _written(rgb, "PNG", **pair), "unsupported")
    yield _case("animated WebP", _written(rgb, "WEBP", **pair), "unsupported")
    yield _case("TIFF of two pages", _written(rgb, "TIFF", **pair), "unsupported")
    yield _case("animated GIF", _written(rgb, "GIF", **pair), "not_an_image")
    yield _case("CMYK JPEG", _written(rgb.convert("CMYK"), "JPEG"), "unsupported")
    yield _case("CMYK TIFF", _written(rgb.convert("CMYK"), "TIFF"), "unsupported")
    yield _case("float TIFF", _written(rgb.convert("F"), "TIFF"), "unsupported")
    yield _case("32-bit TIFF", _written(rgb.convert("I"), "TIFF"), "unsupported")
    yield _case("LAB TIFF", _written(rgb.convert("LAB"), "TIFF"), "unsupported")
    for kind in ("GIF", "ICO", "PPM", "PCX", "TGA", "JPEG2000", "DDS", "SGI", "PDF"):
        if kind in Image.SAVE or Image.init():
            yield _case(f"a {kind}", _written(rgb, kind), "not_an_image")
    for name, data in {
        "nothing": b"", "one byte": b"\x89", "zeros": bytes(1000), "text": b"not a picture",
        "HTML": b"<html><script>alert(1)</script>", "SVG": b"<svg onload='alert(1)'/>",
        "ZIP": b"PK\x03\x04" + bytes(60), "gzip": b"\x1f\x8b" + bytes(60),
        "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix\x94.",
        "ELF": b"\x7fELF" + bytes(60),
        "shell": b"#!/bin/sh\nrm -rf /\n", "PHP": b"GIF89a<?php system($_GET[0]);",
        "RIFF that is no WebP": b"RIFF\x10\0\0\0WAVEfmt " + bytes(20),
        "UTF-16": "\ufeffpicture".encode("utf-16"), "JSON": b'{"image": 1}',
    }.items():  # fmt: skip
        yield _case(name, data, "not_an_image" if data else "empty")
    samples = _samples()
    for one, other in (("png", "jpeg"), ("jpeg", "png"), ("bmp", "png"), ("tiff", "png")):
        data = samples[one][:8] + samples[other][8:]
        yield _case(f"{one}'s magic on a {other}", data, *REASONS - {"empty"})


def _cut_off() -> Iterator[Picture]:
    """At every length where a header may end, and then in steps."""
    for name, data in _samples().items():
        lengths = [*range(1, 48), *range(48, len(data), max(1, len(data) // 12)), len(data) - 1]
        for length in lengths:
            # A TIFF may keep its directory in front of data nobody needs.
            expected = REASONS | {READ} if name == "tiff" and length > 48 else REASONS
            yield _case(f"{name} cut off at {length}", data[:length], *expected - {"empty"})


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    made = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        made += struct.pack(">I", len(data)) + kind + data
        made += struct.pack(">I", zlib.crc32(kind + data))
    return made


def _ihdr(width: int, height: int, bits: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)


def _idat(height: int = HEIGHT, width: int = WIDTH) -> tuple[bytes, bytes]:
    return b"IDAT", zlib.compress(bytes((3 * width + 1) * height))


END = (b"IEND", b"")


def _declared() -> Iterator[Picture]:
    """Headers that lie about the size."""
    for width, height in (
        (0, 0), (0, 5), (5, 0), (1, 2**31 - 1), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1),
        (2**32 - 1, 2**32 - 1), (2**16, 2**16), (50_000, 50_000), (100_000, 1_001),
    ):  # fmt: skip
        size = f"{width} x {height}"
        reason = "damaged" if 0 in (width, height) else "too_large"
        both = {reason, "damaged", "too_large"}
        yield _case(f"PNG of {size}", _png(_ihdr(width, height), _idat(), END), *both)
        bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 200, 0, 0, 54, 40, width & 0x7FFFFFFF,
                                  height & 0x7FFFFFFF, 1, 24, 0, 0, 0, 0, 0, 0)  # fmt: skip
        yield _case(f"BMP of {size}", bmp, *both)
        jpeg = bytearray(_samples()["jpeg"])
        at = jpeg.index(b"\xff\xc0")
        jpeg[at + 5 : at + 9] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
        yield _case(f"JPEG of {size}", bytes(jpeg), *both, READ, "truncated")
    for bits, colour in ((3, 2), (8, 1), (8, 5), (8, 7), (32, 2), (0, 0), (16, 3)):
        header = _ihdr(WIDTH, HEIGHT, bits, colour)
        yield _case(f"PNG of {bits} bits, colour {colour}", _png(header, _idat(), END), "damaged")
    for more in (0, 1, 2, 5):
        name = f"PNG with {more} rows of pixels"
        yield _case(name, _png(_ihdr(WIDTH, HEIGHT), _idat(more), END), "damaged", READ)
    yield _case("PNG without pixels", _png(_ihdr(WIDTH, HEIGHT), END), "damaged")
    yield _case("PNG without an end", _png(_ihdr(WIDTH, HEIGHT), _idat()), "truncated")
    yield _case("PNG without a header", _png(_idat(), END), "damaged")
    twice = _png(_ihdr(WIDTH, HEIGHT), _ihdr(9, 9), _idat(), END)
    yield _case("PNG with two headers", twice, "damaged", READ)
    length = bytearray(_png(_ihdr(WIDTH, HEIGHT), _idat(), END))
    length[33:37] = b"\xff\xff\xff\xff"
    yield _case("PNG with a chunk of 4 GiB", bytes(length), "truncated", "damaged")


def _bombs() -> Iterator[Picture]:
    """Little data that would become much."""
    giant = zlib.compress(bytes(50_000_000), 9)
    head = _ihdr(WIDTH, HEIGHT)
    whole = _idat()
    yield _case("pixels that unpack to 50 MB", _png(head, (b"IDAT", giant), END), "damaged", READ)
    for kind in (b"zTXt", b"iCCP"):
        chunk = (kind, b"name\0\0" + giant)
        yield _case(f"{kind.decode()} bomb", _png(head, chunk, whole, END), "damaged", READ)
    text = (b"iTXt", b"name\0\1\0\0\0" + giant)
    yield _case("iTXt bomb", _png(head, text, whole, END), "damaged", READ)
    many = [(b"tEXt", b"a\0b")] * 20_000
    yield _case("20,000 text chunks", _png(head, *many, whole, END), "damaged", READ)
    yield _case("9,000 x 9,000 in 80 kB", _flat(9_000), "too_large")
    jpeg = _samples()["jpeg"]
    scan = jpeg.index(b"\xff\xda")
    yield _case("JPEG of 3,000 scans", jpeg[:scan] + jpeg[scan:-2] * 3_000 + b"\xff\xd9",
                READ, "damaged", "truncated")  # fmt: skip
    yield _case("JPEG of comments", jpeg[:2] + b"\xff\xfe\0\x02" * 50_000 + jpeg[2:], READ)
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8)
    yield _case("TIFF whose directory names itself", loop, "damaged", "unsupported", "truncated")
    many_tags = b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + bytes(2_000)
    yield _case("TIFF of 65,535 tags", many_tags, "damaged", "truncated", "unsupported")
    behind = b"II*\0\xff\xff\xff\xff" + bytes(40)
    yield _case("TIFF whose directory lies behind it", behind, "truncated", "damaged")


def _flat(side: int) -> bytes:
    row = zlib.compressobj(9)
    packed = b"".join(row.compress(bytes(3 * side + 1)) for _ in range(side)) + row.flush()
    return _png(_ihdr(side, side), (b"IDAT", packed), END)


def _changed() -> Iterator[Picture]:
    """One byte changed, wherever."""
    for name, data in _samples().items():
        for place in np.linspace(12, len(data) - 1, 12).astype(int):
            changed = bytearray(data)
            changed[place] ^= 0x55
            # Only PNG has checksums: elsewhere other pixels may come of it, never a crash.
            expected = REASONS if name == "png" else REASONS | {READ, "other size"}
            yield _case(f"{name} changed at {place}", bytes(changed), *expected - {"empty"})
