"""Pictures to score, from a set and made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from linewatch.capacity import frames as module
from linewatch.capacity.frames import read_frames, synthetic_frames
from models.datasets import open_dataset
from models.errors import DatasetError
from models.images import decode

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set of one good picture to train on and 130 to test, each of its own brightness."""
    for name in ["train/good/0", *(f"test/good/{index:03}" for index in range(130))]:
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((20, 30), int(path.stem) % 130, dtype=np.uint8))
    (tmp_path / "test/dent").mkdir()
    cv2.imwrite(str(tmp_path / "test/dent/0.png"), np.full((20, 30), 200, dtype=np.uint8))
    return tmp_path


def test_pictures_of_a_set_are_spread_over_it_and_stay_as_they_are_encoded(data: Path) -> None:
    found = read_frames(str(data))

    # 131 pictures, of which every third is taken to have at most 64.
    assert len(found.frames) == 44
    files = {path.read_bytes() for path in data.glob("test/*/*.png")}
    assert {frame.image for frame in found.frames} <= files
    assert {frame.media_type for frame in found.frames} == {"image/png"}
    assert (found.height_px, found.width_px) == (20, 30)
    assert not found.is_synthetic
    sizes = [len(frame.image) for frame in found.frames]
    assert found.mean_bytes == round(sum(sizes) / 44)


def test_large_pictures_are_fewer(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = max(path.stat().st_size for path in data.glob("test/*/*.png"))
    monkeypatch.setattr(module, "MAX_BYTES", 5 * largest)

    found = read_frames(str(data))

    assert 5 <= len(found.frames) < 44
    assert sum(len(frame.image) for frame in found.frames) <= 5 * largest


def test_a_picture_that_cannot_be_read_is_named(data: Path) -> None:
    broken = open_dataset(data).test[0].path
    broken.write_bytes(b"no picture")

    with pytest.raises(DatasetError, match=broken.name):
        read_frames(str(data))


def test_synthetic_pictures_are_jpegs_of_the_size_asked_for_and_the_same_every_time() -> None:
    found = synthetic_frames(48, 80)

    assert found.is_synthetic
    pictures = [frame.image for frame in found.frames]
    assert {decode(picture).shape for picture in pictures} == {(48, 80, 3)}
    assert {frame.media_type for frame in found.frames} == {"image/jpeg"}
    assert len(set(pictures)) == len(pictures)
    assert [frame.image for frame in synthetic_frames(48, 80).frames] == pictures
    # Not flat, which would decode faster than a camera's: half a byte a pixel and more.
    assert found.mean_bytes > 48 * 80 / 2
