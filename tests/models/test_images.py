"""Pictures of every format: whole ones are read right, all others are refused."""

from __future__ import annotations

import io
import resource
import struct
import time
import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.errors import ImageError
from models.images import decode, decode_mask, media_type

if TYPE_CHECKING:
    from pathlib import Path

HEIGHT, WIDTH = 21, 34


def photo() -> np.ndarray:
    """A small picture with smooth colours and some grain, (H, W, 3) RGB."""
    grain = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return cv2.GaussianBlur(grain, (0, 0), 2)


def written(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def samples() -> dict[str, bytes]:
    """Small files of every accepted format and its main variants, written by Pillow or OpenCV."""
    rgb = Image.fromarray(photo())
    grey, palette, rgba = rgb.convert("L"), rgb.convert("P"), rgb.copy()
    rgba.putalpha(100)
    deep = (photo().astype(np.uint16) * 257)[..., ::-1]
    _, restarts = cv2.imencode(".jpg", photo(), [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])
    return {
        "png": written(rgb, "PNG"),
        "png grey": written(grey, "PNG"),
        "png palette": written(palette, "PNG"),
        "png alpha": written(rgba, "PNG"),
        "png 16 bit": cv2.imencode(".png", deep)[1].tobytes(),
        "jpeg": written(rgb, "JPEG"),
        "jpeg grey": written(grey, "JPEG"),
        "jpeg progressive": written(rgb, "JPEG", progressive=True, quality=95),
        "jpeg restarts": restarts.tobytes(),
        "bmp": written(rgb, "BMP"),
        "bmp grey": written(grey, "BMP"),
        "bmp alpha": written(rgba, "BMP"),
        "tiff": written(rgb, "TIFF"),
        "tiff grey lzw": written(grey, "TIFF", compression="tiff_lzw"),
        "tiff deflate": written(rgb, "TIFF", compression="tiff_deflate"),
        "tiff packbits": written(rgb, "TIFF", compression="packbits"),
        "tiff opencv": cv2.imencode(".tiff", photo())[1].tobytes(),
        "tiff 16 bit": cv2.imencode(".tiff", deep)[1].tobytes(),
        "webp": written(rgb, "WEBP"),
        "webp lossless": written(rgb, "WEBP", lossless=True),
        "webp alpha": written(rgba, "WEBP", lossless=True),
    }


SAMPLES = samples()


def refusal(data: bytes, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, **options)
    return caught.value.reason


@pytest.mark.parametrize("name", [name for name in SAMPLES if "16 bit" not in name])
def test_a_whole_picture_is_read_as_pillow_reads_it(name: str) -> None:
    data = SAMPLES[name]
    # Pillow's own way of dropping alpha: RGBA to RGB keeps the colour channels as they are.
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    decoded = decode(data)

    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("name", ["png 16 bit", "tiff 16 bit"])
def test_a_deep_colour_picture_keeps_its_channels(name: str) -> None:
    # Each value was multiplied by 257 = 65535 / 255, so scaling gives it back exactly.
    np.testing.assert_array_equal(decode(SAMPLES[name]), photo())


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_grey_is_scaled_over_the_full_range(suffix: str) -> None:
    # 128 * 257 = 32896; 127.5 * 257 = 32767.5 is where 127 and 128 meet.
    deep = np.array([[0, 128, 129, 32767, 32768, 32896, 65534, 65535]], np.uint16)

    decoded = decode(cv2.imencode(suffix, deep)[1].tobytes())

    assert decoded[0, :, 0].tolist() == [0, 0, 1, 127, 128, 128, 255, 255]
    assert (decoded[..., 0] == decoded[..., 1]).all()
    assert (decoded[..., 0] == decoded[..., 2]).all()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_picture_cut_off_at_any_length_is_refused(name: str) -> None:
    data = SAMPLES[name]

    reasons = {refusal(data[:length]) for length in range(len(data))}

    assert reasons == {"empty", "not_an_image", "truncated"}


def test_a_real_photograph_with_a_thumbnail_cut_off_anywhere_is_refused(shared_data: Path) -> None:
    # Its EXIF block holds data with end markers of their own.
    data = (shared_data / "cookie/test/broken/anomaly-1.jpg").read_bytes()
    lengths = [*range(0, len(data), 997), *range(len(data) - 50, len(data))]

    reasons = {refusal(data[:length]) for length in lengths}

    assert decode(data).shape == (768, 576, 3)
    assert reasons == {"empty", "truncated"}


def test_a_cut_inside_an_embedded_thumbnail_is_no_end() -> None:
    # An application segment that ends in a thumbnail's end marker, and nothing after it.
    thumbnail = SAMPLES["jpeg"]
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail

    assert refusal(b"\xff\xd8" + segment) == "truncated"


@pytest.mark.parametrize("name", ["png", "jpeg", "bmp", "webp"])
def test_padding_behind_the_end_does_no_harm(name: str) -> None:
    np.testing.assert_array_equal(decode(SAMPLES[name] + bytes(100)), decode(SAMPLES[name]))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert refusal(data) in {"empty", "not_an_image", "truncated", "damaged"}


@settings(deadline=None)
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_changed_bytes_give_a_picture_of_the_declared_size_or_a_refusal(
    name: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(SAMPLES[name])
    for position, value in changes:
        data[position % len(data)] = value

    try:
        decoded = decode(bytes(data), max_pixels=1_000_000)
    except ImageError:
        return
    assert decoded.dtype == np.uint8
    assert decoded.shape[2] == 3


def test_a_png_with_one_changed_pixel_byte_is_refused() -> None:
    data = bytearray(SAMPLES["png"])
    data[len(data) // 2] ^= 1

    assert refusal(bytes(data)) == "damaged"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bombs() -> dict[str, bytes]:
    """Pictures that declare 50,000 x 50,000 pixels, 7.5 GB decoded, in otherwise valid files."""
    side = 50_000
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", bytes(9))
    jpeg, bmp = bytearray(SAMPLES["jpeg"]), bytearray(SAMPLES["bmp"])
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    bmp[18:26] = struct.pack("<ii", side, -side)
    tiff = SAMPLES["tiff"]
    for tag, old in ((256, WIDTH), (257, HEIGHT)):
        for kind, letter in ((3, "H2x"), (4, "I")):
            entry = struct.pack("<HHI" + letter, tag, kind, 1, old)
            tiff = tiff.replace(entry, struct.pack("<HHII", tag, 4, 1, side))
    three = (side - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<IB3x", 10, 0) + three + three + SAMPLES["webp lossless"][12:]
    webp = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    return {
        "png": png + png_chunk(b"IEND", b""),
        "jpeg": bytes(jpeg),
        "bmp": bytes(bmp),
        "tiff": tiff,
        "webp": webp,
    }


BOMBS = bombs()


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_declares_too_many_pixels_is_refused_before_any_is_allocated(
    name: str,
) -> None:
    peak_before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()

    reason = refusal(BOMBS[name])

    assert reason == "too_large"
    assert time.perf_counter() - start < 1
    # In KiB; decoded it would take 7.5 GB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before < 20_000


def test_a_webp_whose_frame_is_larger_than_its_canvas_is_refused() -> None:
    canvas = (9).to_bytes(3, "little")
    frame = bytearray(SAMPLES["webp lossless"][12:])
    frame[9:13] = struct.pack("<I", 16_382 | 16_382 << 14)
    body = b"VP8X" + struct.pack("<IB3x", 10, 0) + canvas + canvas + frame

    reason = refusal(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)

    assert reason == "damaged"


@pytest.mark.parametrize("name", SAMPLES)
def test_the_limit_of_pixels_is_inclusive(name: str) -> None:
    assert decode(SAMPLES[name], max_pixels=HEIGHT * WIDTH).shape == (HEIGHT, WIDTH, 3)
    assert refusal(SAMPLES[name], max_pixels=HEIGHT * WIDTH - 1) == "too_large"


def animated(kind: str) -> bytes:
    first, second = Image.fromarray(photo()), Image.fromarray(255 - photo())
    return written(first, kind, save_all=True, append_images=[second])


def turned_tiff() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return written(Image.fromarray(photo()), "TIFF", exif=exif)


UNSUPPORTED = {
    "cmyk jpeg": written(Image.fromarray(photo()).convert("CMYK"), "JPEG"),
    "cmyk tiff": written(Image.fromarray(photo()).convert("CMYK"), "TIFF"),
    "animated png": animated("PNG"),
    "animated webp": animated("WEBP"),
    "tiff with two pages": animated("TIFF"),
    "tiff with alpha": written(Image.fromarray(photo()).convert("RGBA"), "TIFF"),
    "tiff of floats": written(Image.fromarray(photo()[..., 0].astype(np.float32)), "TIFF"),
    "tiff with jpeg inside": written(Image.fromarray(photo()), "TIFF", compression="jpeg"),
    "turned tiff": turned_tiff(),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_sorts_of_pictures_that_would_be_misread_are_named_and_refused(name: str) -> None:
    assert refusal(UNSUPPORTED[name]) == "unsupported"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_exif_orientation_is_not_applied(kind: str) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees: applied, the picture would be (WIDTH, HEIGHT)

    assert decode(written(Image.fromarray(photo()), kind, exif=exif)).shape == (HEIGHT, WIDTH, 3)


def test_no_bytes_are_an_error_of_their_own() -> None:
    assert refusal(b"") == "empty"


def test_a_gif_and_a_text_are_no_pictures_of_ours() -> None:
    assert refusal(written(Image.fromarray(photo()), "GIF")) == "not_an_image"
    assert refusal(b"<html>camera offline</html>") == "not_an_image"


@pytest.mark.parametrize("name", SAMPLES)
def test_the_media_type_is_told_by_the_first_bytes(name: str) -> None:
    assert media_type(SAMPLES[name]) == f"image/{name.split()[0]}"


def marked(values: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Stripes of 16 pixels of each value, and which of them are not black."""
    mask = np.repeat(np.array(values), 16)[None].repeat(32, axis=0)
    return mask, mask > 0


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("values", [(0, 255), (0, 1), (0, 1, 2, 9)])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_a_mask_marks_what_is_not_black(suffix: str, values: tuple[int, ...], kind: type) -> None:
    mask, expected = marked(values)

    encoded = cv2.imencode(suffix, mask.astype(kind))[1].tobytes()

    np.testing.assert_array_equal(decode_mask(encoded), expected)


def test_a_coloured_mask_marks_every_colour() -> None:
    # Palettes give each kind a colour; pure blue has a grey value of 29 only.
    colours = np.array([(0, 0, 0), (0, 0, 255), (128, 0, 0)], np.uint8)[None].repeat(4, axis=0)
    encoded = written(Image.fromarray(colours), "PNG")

    np.testing.assert_array_equal(decode_mask(encoded), [[False, True, True]] * 4)


def test_noise_around_the_edges_of_a_jpeg_mask_is_not_marked() -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[10:21, 10:21] = 255
    encoded = cv2.imencode(".jpg", mask, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()
    assert (decode(encoded)[..., 0] > 0).sum() > 2 * 11 * 11

    np.testing.assert_array_equal(decode_mask(encoded), mask > 0)


def test_a_broken_mask_is_refused_as_a_broken_picture_is() -> None:
    with pytest.raises(ImageError) as caught:
        decode_mask(SAMPLES["png"][:-20])

    assert caught.value.reason == "truncated"
