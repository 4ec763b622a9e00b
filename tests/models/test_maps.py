"""Anomaly maps survive storing, and tint only what sticks out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.errors import ImageError, ShapeError
from models.maps import decode_map, encode_map, heat_overlay

GREY = np.full((40, 60, 3), 128, np.uint8)


@settings(deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_a_stored_map_comes_back_to_within_half_a_level(scores: np.ndarray) -> None:
    encoded = encode_map(scores)

    decoded = decode_map(*encoded)

    half_level = (encoded.high - encoded.low) / 255 / 2
    rounding = 1e-6 * np.abs(scores).max()  # of float32
    assert decoded.dtype == np.float32
    assert decoded.shape == scores.shape
    assert np.abs(decoded - scores).max() <= half_level + rounding


def test_a_map_of_one_score_comes_back_exactly() -> None:
    encoded = encode_map(np.full((3, 5), 7.25, np.float32))

    np.testing.assert_array_equal(decode_map(*encoded), np.full((3, 5), 7.25, np.float32))


def test_a_map_with_a_missing_score_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        encode_map(np.array([[0.0, np.nan]], np.float32))


def test_a_batch_of_maps_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 3, 4\)"):
        encode_map(np.zeros((2, 3, 4), np.float32))


@pytest.mark.parametrize("png", [b"", b"not a picture"])
def test_bytes_that_are_no_map_are_refused(png: bytes) -> None:
    with pytest.raises(ImageError):
        decode_map(png, 0, 1)


def test_a_good_part_is_shown_as_it_is() -> None:
    calm = np.random.default_rng(0).uniform(0, 1, (8, 8)).astype(np.float32)

    shown = heat_overlay(GREY, calm, low=1.0, high=2.0, opacity=1.0)

    np.testing.assert_array_equal(shown, GREY)


def test_the_tint_grows_with_the_score_and_with_opacity() -> None:
    ramp = np.tile(np.linspace(0, 3, 60, dtype=np.float32), (40, 1))

    def distance(opacity: float) -> np.ndarray:
        shown = heat_overlay(GREY, ramp, low=1.0, high=2.0, opacity=opacity)
        return np.abs(shown.astype(int) - GREY).sum(axis=2)[0]

    weak, strong = distance(0.3), distance(0.9)
    assert (weak[:20] == 0).all()  # scores up to 1.0
    assert weak[40] > weak[30] > weak[24] > 0
    assert (weak[41:] == weak[41]).all()  # scores above 2.0 look alike
    assert (strong[22:] > weak[22:]).all()


def test_full_colour_is_warm_and_the_same_for_every_picture() -> None:
    hot = np.full((4, 4), 9.0, np.float32)

    shown = heat_overlay(GREY, hot, low=1.0, high=2.0, opacity=1.0)

    red, green, blue = shown[0, 0].tolist()
    assert (shown == shown[0, 0]).all()
    assert red > green > blue


@pytest.mark.parametrize(
    ("low", "high", "opacity", "word"), [(1, 1, 0.5, "low"), (0, 1, 1.5, "opacity")]
)
def test_a_senseless_scale_is_refused(low: float, high: float, opacity: float, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        heat_overlay(GREY, np.zeros((4, 4)), low=low, high=high, opacity=opacity)


def test_maps_and_images_load_no_torch() -> None:
    code = "import sys, models.maps, models.images; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
