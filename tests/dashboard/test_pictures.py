"""Pictures at display size, from a real store."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import streamlit as st

from dashboard import pictures
from dashboard.pictures import Heat, Picture
from models.maps import encode_map, heat_overlay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tests.dashboard.conftest import Plant


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


def pixels(uri: str | None) -> NDArray[np.uint8]:
    """The RGB picture of a data URI."""
    assert uri is not None
    data = b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def stored(plant: Plant, rgb: NDArray[np.uint8]) -> str:
    """Key of a picture in the store."""
    png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1]
    return plant.store.put(png.tobytes(), ".png")


def test_a_large_frame_is_shrunk_to_display_size(plant: Plant) -> None:
    key = stored(plant, np.full((1500, 3000, 3), 90, np.uint8))

    # 3000 x 1500 at a longer edge of 128.
    assert pixels(pictures.thumbnail(Picture(key))).shape == (64, 128, 3)


def test_a_small_frame_keeps_its_pixels(plant: Plant) -> None:
    key = stored(plant, np.full((50, 80, 3), 90, np.uint8))

    assert pixels(pictures.tile(Picture(key))).shape == (50, 80, 3)


def test_the_two_pictures_of_a_card_blend_into_the_overlay_of_any_opacity(plant: Plant) -> None:
    rng = np.random.default_rng(3)
    rgb = cv2.GaussianBlur(rng.integers(0, 255, (96, 128, 3), np.uint8), (0, 0), 9)
    anomaly_map = np.linspace(0, 3, 12 * 16, dtype=np.float32).reshape(12, 16)
    encoded = encode_map(anomaly_map)
    map_key = plant.store.put(encoded.png, ".png")
    heat = Heat(map_key, encoded.low, encoded.high, begin=0.7, full=2.3)

    card = pictures.card(Picture(stored(plant, rgb), heat))

    assert card is not None
    plain, hot = (pixels(uri).astype(float) for uri in card)
    wanted = heat_overlay(rgb, anomaly_map, low=0.7, high=2.3, opacity=0.4)
    # The browser blends 40 % of the hot picture over the plain one; JPEG costs a few levels.
    assert np.abs(0.6 * plain + 0.4 * hot - wanted).mean() < 2


def test_a_map_below_the_review_threshold_leaves_a_good_frame_as_it_is(plant: Plant) -> None:
    begin, full = pictures.heat_ends(review=2.0, reject=2.5)
    rgb = np.full((48, 64, 3), 90, np.uint8)
    encoded = encode_map(np.full((8, 8), begin - 0.01))
    heat = Heat(plant.store.put(encoded.png, ".png"), encoded.low, encoded.high, begin, full)

    shown = pixels(pictures.tile(Picture(stored(plant, rgb), heat)))

    assert np.abs(shown.astype(int) - 90).max() <= 1


def test_the_heat_scale_spans_the_thresholds_and_as_much_on_both_sides() -> None:
    assert pictures.heat_ends(review=2.0, reject=3.0) == (1.0, 4.0)


@pytest.mark.parametrize(("review", "reject"), [(0.0, 0.0), (-4.0, -4.0), (2.0, 2.0)])
def test_the_heat_scale_has_a_width_even_if_the_thresholds_are_equal(
    review: float, reject: float
) -> None:
    begin, full = pictures.heat_ends(review, reject)

    assert begin < review <= reject < full


def test_a_missing_or_damaged_picture_is_none(plant: Plant) -> None:
    missing = f"ab/ab{'0' * 62}.png"
    damaged = plant.store.put(b"no picture", ".png")

    assert pictures.tile(Picture(missing)) is None
    assert pictures.card(Picture(damaged)) is None
