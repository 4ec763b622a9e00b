"""Near-duplicates: changes of one picture are found, other parts of one product are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from models.datasets import open_dataset
from models.errors import ShapeError
from models.near_duplicates import (
    SIGNATURE_BYTES,
    are_near_duplicates,
    distances,
    find_near_duplicates,
    signature,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def part(seed: int, height: int = 300, width: int = 240) -> np.ndarray:
    """A grey part: the same frame, bars and shading in all, and a texture of its own."""
    rng = np.random.default_rng(seed)
    rough = rng.normal(size=(height, width)).astype(np.float32)
    texture = cv2.GaussianBlur(rough, (0, 0), 12)
    image = 120 + 12 * texture / texture.std() + np.linspace(0, 30, width)
    image[::60] -= 60
    image[:6] = image[-6:] = image[:, :6] = 20
    return np.clip(image, 0, 255).astype(np.uint8)


def encoded(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], 0)


def brightened(image: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(image * factor + 0.5, 0, 255).astype(np.uint8)


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    move = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return cv2.warpAffine(image, move, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


CHANGES = {
    "re-encoded": encoded,
    "brighter": lambda image: brightened(image, 1.05),
    "darker": lambda image: brightened(image, 0.95),
    "shifted by 1": lambda image: shifted(image, -1, 1),
    "shifted by 2": lambda image: shifted(image, 2, 0),
    "smaller": lambda image: resized(image, 0.9),
    "larger": lambda image: resized(image, 1.1),
    "all at once": lambda image: encoded(brightened(shifted(image, 1, 1), 1.05)),
}


@pytest.fixture(scope="module")
def solar_cells() -> list[np.ndarray]:
    """Every eighth of the real cells, some 130, which look extremely alike."""
    pytest.importorskip("elpv_dataset")
    dataset = open_dataset("elpv:mono")
    samples = [*dataset.train, *dataset.test, *dataset.uncertain][::8]
    return [cv2.cvtColor(sample.image(), cv2.COLOR_RGB2GRAY) for sample in samples]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_picture_is_a_near_duplicate(change: Callable[[np.ndarray], np.ndarray]) -> None:
    for seed in range(5):
        assert are_near_duplicates(signature(part(seed)), signature(change(part(seed))))


def test_other_parts_of_the_product_are_not() -> None:
    signatures = [signature(part(seed)) for seed in range(30)]

    for index, one in enumerate(signatures):
        assert find_near_duplicates(one, signatures).tolist() == [index]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_real_cells_are_found(
    solar_cells: list[np.ndarray], change: Callable[[np.ndarray], np.ndarray]
) -> None:
    found = [are_near_duplicates(signature(one), signature(change(one))) for one in solar_cells]

    assert np.mean(found) >= 0.98


def test_other_real_cells_are_not(solar_cells: list[np.ndarray]) -> None:
    signatures = [signature(one) for one in solar_cells]

    found = sum(len(find_near_duplicates(one, signatures)) for one in signatures)

    assert found == len(signatures)  # each finds itself


def test_the_order_does_not_matter_and_distances_stay_within_0_and_1() -> None:
    signatures = [signature(part(seed)) for seed in range(6)]

    table = np.array([distances(one, signatures) for one in signatures])

    assert table == pytest.approx(table.T, abs=1e-9)
    assert np.diag(table) == pytest.approx(0, abs=1e-9)
    assert ((table >= 0) & (table <= 1)).all()


def test_colour_counts_as_its_grey() -> None:
    grey = part(1)

    colour = signature(np.repeat(grey[..., None], 3, axis=2))

    assert are_near_duplicates(signature(grey), colour)
    assert len(colour) == SIGNATURE_BYTES <= 128


def test_a_picture_of_another_shape_is_another_crop() -> None:
    image = part(1)
    squeezed = cv2.resize(image, (image.shape[1], image.shape[0] * 4 // 5))

    assert not are_near_duplicates(signature(image), signature(squeezed))


def test_flat_pictures_are_alike_and_unlike_others() -> None:
    flat, brighter = np.full((50, 40), 90, np.uint8), np.full((50, 40), 99, np.uint8)

    assert are_near_duplicates(signature(flat), signature(brighter))
    assert not are_near_duplicates(signature(flat), signature(part(1, 50, 40)))


def test_nothing_is_found_among_none() -> None:
    assert find_near_duplicates(signature(part(1)), []).tolist() == []


def test_what_is_no_picture_or_no_signature_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least 8 x 8"):
        signature(np.zeros((7, 20), np.uint8))
    with pytest.raises(ShapeError, match="expected"):
        signature(np.zeros((20, 20, 4), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        signature(np.zeros((20, 20), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="3 bytes"):
        are_near_duplicates(b"abc", signature(part(1)))
