"""Augmentations of an image's pixel values; grey stays grey, whatever is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray


def additive_noise(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Add Gaussian noise of 1 to 5 % of the full range."""
    return _with_noise(image, 255 * rng.uniform(0.01, 0.05), rng)


def gauss_noise(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Add Gaussian noise with a variance of 10 to 50."""
    return _with_noise(image, rng.uniform(10, 50) ** 0.5, rng)


def motion_blur(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Blur along a line of 3, 5 or 7 pixels in any direction."""
    size = int(rng.choice([3, 5, 7]))
    half = size // 2
    angle = rng.uniform(0, np.pi)
    x, y = round(half * np.cos(angle)), round(half * np.sin(angle))
    kernel = np.zeros((size, size), dtype=np.float32)
    cv2.line(kernel, (half - x, half - y), (half + x, half + y), 1.0)
    return _filtered(image, kernel / kernel.sum())


def median_blur(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Take the median of 3 x 3 pixels."""
    return cv2.medianBlur(image, 3).view(np.uint8)


def box_blur(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Take the mean of 3 x 3 pixels."""
    return cv2.blur(image, (3, 3)).view(np.uint8)


def equalise(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Equalise the lightness in 8 x 8 tiles, the contrast limited to 1 to 2 (CLAHE)."""
    # Not in LAB as the released code's library: its rounding tints greys.
    split = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    split[:, :, 0] = cv2.createCLAHE(rng.uniform(1, 2), (8, 8)).apply(split[:, :, 0])
    return cv2.cvtColor(split, cv2.COLOR_YCrCb2RGB).view(np.uint8)


def sharpen(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Mix in 20 to 50 % of the image less its surroundings."""
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8 + rng.uniform(0.5, 1.0)
    return _filtered(image, _mixed(kernel, rng.uniform(0.2, 0.5)))


def emboss(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Mix in 20 to 50 % of the image lit from the upper left."""
    slope = np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    light = np.array([[-1.0, -1, 0], [-1, 0, 1], [0, 1, 1]])
    kernel = slope + rng.uniform(0.2, 0.7) * light
    return _filtered(image, _mixed(kernel, rng.uniform(0.2, 0.5)))


def brightness_contrast(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Scale by up to 20 % and shift by up to 20 % of the full range."""
    contrast, brightness = 1 + rng.uniform(-0.2, 0.2), 255 * rng.uniform(-0.2, 0.2)
    levels = np.arange(256) * contrast + brightness
    return cv2.LUT(image, _bytes(levels)).view(np.uint8)


def hue_saturation_value(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Shift the hue by up to 40 degrees, saturation by 30 and value by 20 levels of 255.

    No pixel's saturation is more than doubled: a grey part has no hue, and gets none.
    """
    hue, saturation, value = rng.uniform(-20, 20), rng.uniform(-30, 30), rng.uniform(-20, 20)
    levels = np.arange(256.0)
    table = np.stack(
        [
            _bytes((levels + hue) % 180),  # OpenCV's hue is in units of two degrees
            _bytes(levels + np.minimum(levels, saturation)),
            _bytes(levels + value),
        ],
        axis=-1,
    )[None]  # (1, 256, 3)
    shifted = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table)
    return cv2.cvtColor(shifted, cv2.COLOR_HSV2RGB).view(np.uint8)


def _with_noise(image: NDArray[np.uint8], sigma: float, rng: Generator) -> NDArray[np.uint8]:
    """The same noise in all channels, as of the light: noise of each channel would tint."""
    noise = sigma * rng.standard_normal((*image.shape[:2], 1), dtype=np.float32)
    return _bytes(image + noise)


def _mixed(kernel: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """A 3 x 3 kernel that leaves the rest of the image as it is."""
    mixed = share * kernel
    mixed[1, 1] += 1 - share
    return mixed


def _filtered(image: NDArray[np.uint8], kernel: NDArray[np.floating]) -> NDArray[np.uint8]:
    return cv2.filter2D(image, -1, kernel).view(np.uint8)


def _bytes(levels: NDArray[np.floating]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return rounded
