"""Near-duplicates: changes of one picture are found, other parts of one product are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from models import near_duplicates
from models.datasets import open_dataset
from models.errors import ShapeError
from models.near_duplicates import (
    SIGNATURE_BYTES,
    _layout,
    _parse,
    is_flat,
    near_duplicates_of_each,
    signature,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def are_near_duplicates(a: bytes, b: bytes) -> bool:
    forth, back = near_duplicates_of_each([a], [b]), near_duplicates_of_each([b], [a])
    assert forth[0].tolist() == back[0].tolist()  # the order does not matter
    return len(forth[0]) == 1


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

    found = near_duplicates_of_each(signatures, signatures)
    assert [near.tolist() for near in found] == [[index] for index in range(30)]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_real_cells_are_found(
    solar_cells: list[np.ndarray], change: Callable[[np.ndarray], np.ndarray]
) -> None:
    found = [are_near_duplicates(signature(one), signature(change(one))) for one in solar_cells]

    assert np.mean(found) >= 0.98


def test_other_real_cells_are_not(solar_cells: list[np.ndarray]) -> None:
    signatures = [signature(one) for one in solar_cells]

    found = near_duplicates_of_each(signatures, signatures)

    assert all(len(near) == 1 for near in found)  # each finds itself


def unexplained(one: bytes, by: bytes) -> float:
    """Least squares, pair by pair: what `by` and its small movements leave of `one`."""
    (target,), (known,) = _parse([one])[0], _parse([by])[0]
    span = np.stack([known, *(d @ known for d in _layout().derivatives)], axis=1)
    left = target - span @ np.linalg.lstsq(span, target, rcond=None)[0]
    return float((left**2).sum() / (target**2).sum())


@pytest.mark.parametrize("block", [4, 1000])
def test_in_bulk_it_finds_what_least_squares_find_pair_by_pair(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicates, "_BLOCK", block)
    moved = [shifted(part(seed), seed % 3, 1) for seed in range(5)]
    signatures = [signature(image) for image in (*map(part, range(9)), *moved)]

    found = near_duplicates_of_each(signatures, signatures)

    limit = near_duplicates._MAX_DISTANCE
    wanted = [
        [i for i, b in enumerate(signatures) if min(unexplained(a, b), unexplained(b, a)) <= limit]
        for a in signatures
    ]
    assert [near.tolist() for near in found] == wanted
    assert sum(map(len, wanted)) > len(signatures)


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
    assert is_flat(signature(flat))
    assert not is_flat(signature(part(1)))


def test_nothing_is_near_nothing() -> None:
    one = signature(part(1))

    assert near_duplicates_of_each([], [one]) == []
    assert [near.tolist() for near in near_duplicates_of_each([one], [])] == [[]]


def test_what_is_no_picture_or_no_signature_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least 8 x 8"):
        signature(np.zeros((7, 20), np.uint8))
    with pytest.raises(ShapeError, match="expected"):
        signature(np.zeros((20, 20, 4), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        signature(np.zeros((20, 20), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="3 bytes"):
        are_near_duplicates(b"abc", signature(part(1)))
