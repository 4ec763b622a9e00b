"""Augmentations of pixel values, worked by hand where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from models.bgad import tones

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TONES = [
    tones.additive_noise,
    tones.gauss_noise,
    tones.motion_blur,
    tones.median_blur,
    tones.box_blur,
    tones.equalise,
    tones.sharpen,
    tones.emboss,
    tones.brightness_contrast,
    tones.hue_saturation_value,
]


class Limits:
    """Stands in for the generator: gives one end of every range."""

    def __init__(self, *, high: bool) -> None:
        self.high = high

    def uniform(self, low: float, high: float) -> float:
        return high if self.high else low


def plain(*rgb: int) -> NDArray[np.uint8]:
    return np.full((64, 64, 3), rgb, dtype=np.uint8)


@pytest.mark.parametrize("tone", TONES)
def test_size_and_type_stay_and_the_image_is_not_changed(
    tone: Callable[..., NDArray[np.uint8]],
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    before = image.copy()

    for seed in range(5):
        toned = tone(image, np.random.default_rng(seed))
        assert (toned.shape, toned.dtype) == (image.shape, np.uint8)

    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("noise", "low", "high"),
    [(tones.additive_noise, 2.55, 12.75), (tones.gauss_noise, 10**0.5, 50**0.5)],
)
def test_noise_has_the_deviation_drawn(
    noise: Callable[..., NDArray[np.uint8]], low: float, high: float
) -> None:
    deviations = [
        (noise(plain(128, 128, 128), np.random.default_rng(seed)) - 128.0)[:, :, 0].std()
        for seed in range(30)
    ]

    # 4096 pixels give a deviation to about 1 %; the roundings add 1/12 to the variance.
    assert low * 0.95 < min(deviations) < low * 1.6
    assert high * 0.7 < max(deviations) < high * 1.05


@pytest.mark.parametrize("blur", [tones.motion_blur, tones.box_blur])
def test_a_blur_spreads_a_point_and_loses_nothing(
    blur: Callable[..., NDArray[np.uint8]],
) -> None:
    image = plain(0, 0, 0)
    image[32, 32] = 252

    spread = set()
    for seed in range(20):
        blurred = blur(image, np.random.default_rng(seed))[:, :, 0].astype(int)
        assert blurred.sum() == pytest.approx(252, abs=5)
        spread.add(int((blurred > 0).sum()))

    # 3 x 3 pixels, or lines of 3 to 7.
    assert spread <= ({9} if blur is tones.box_blur else {3, 5, 7})


def test_a_median_drops_a_point() -> None:
    image = plain(40, 50, 60)
    image[32, 32] = 255

    np.testing.assert_array_equal(
        tones.median_blur(image, np.random.default_rng(0)), plain(40, 50, 60)
    )


def test_equalising_widens_the_contrast_of_a_flat_image() -> None:
    image = np.random.default_rng(0).normal(120, 6, (64, 64, 1)).astype(np.uint8)

    equalised = tones.equalise(image.repeat(3, axis=2), Limits(high=True))

    assert equalised[:, :, 0].std() > 1.5 * image.std()


def test_sharpening_a_step() -> None:
    # Half of the kernel that is 8 + 1 in the middle and -1 around, half the image. Beside a step
    # from 100 to 120: left 0.5 (9 * 100 - 5 * 100 - 3 * 120) + 50 = 70,
    # right 0.5 (9 * 120 - 5 * 120 - 3 * 100) + 60 = 150.
    image = plain(100, 100, 100)
    image[:, 32:] = 120

    sharpened = tones.sharpen(image, Limits(high=True))[10, :, 0]

    assert sharpened[[5, 31, 32, 60]].tolist() == [100, 70, 150, 120]


def test_embossing_a_step() -> None:
    # strength 0.7, half of the mix. Kernel rows: -1.7 -0.7 0, -0.7 1 0.7, 0 0.7 1.7, so its columns
    # sum to -2.4, 1, 2.4. Left of the step 0.5 (-2.4 * 100 + 100 + 2.4 * 120) + 50 = 124, right of
    # it 0.5 (-2.4 * 100 + 120 + 2.4 * 120) + 60 = 144.
    image = plain(100, 100, 100)
    image[:, 32:] = 120

    embossed = tones.emboss(image, Limits(high=True))[10, :, 0]

    assert embossed[[5, 31, 32, 60]].tolist() == [100, 124, 144, 120]


def test_brightness_and_contrast_at_their_limits() -> None:
    # 100 * 1.2 + 51 = 171, 250 is clipped; 100 * 0.8 - 51 = 29, 60 * 0.8 - 51 = -3 is clipped.
    assert tones.brightness_contrast(plain(100, 250, 0), Limits(high=True))[0, 0].tolist() == [
        171,
        255,
        51,
    ]
    assert tones.brightness_contrast(plain(100, 250, 60), Limits(high=False))[0, 0].tolist() == [
        29,
        149,
        0,
    ]


def test_hue_saturation_and_value_shift() -> None:
    # Hue 60 degrees, saturation 128 of 255, value 200 become 100 degrees, 158 and 220.
    image = cv2.cvtColor(np.full((4, 4, 3), (30, 128, 200), dtype=np.uint8), cv2.COLOR_HSV2RGB)

    shifted = tones.hue_saturation_value(image, Limits(high=True))

    hsv = cv2.cvtColor(shifted, cv2.COLOR_RGB2HSV)[0, 0].astype(int)
    np.testing.assert_allclose(hsv, [50, 158, 220], atol=2)


def test_a_faint_colour_is_at_most_doubled_in_saturation() -> None:
    # (104, 100, 100) has a saturation of 4 / 104 * 255 = 10: it may become 20, not 40.
    shifted = tones.hue_saturation_value(plain(104, 100, 100), Limits(high=True))

    saturation = int(cv2.cvtColor(shifted, cv2.COLOR_RGB2HSV)[0, 0, 1])
    assert saturation == pytest.approx(20, abs=3)
