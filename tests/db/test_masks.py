"""Masks are checked before they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from db.errors import BadMask
from db.masks import encode_mask, put_mask, read_mask
from db.store import ImageStore

if TYPE_CHECKING:
    from pathlib import Path


def png(height: int = 48, width: int = 64, *, marked: bool = True) -> bytes:
    mask = np.zeros((height, width), bool)
    mask[2:5, 3:9] = marked
    return encode_mask(mask)


def test_a_mask_of_the_pictures_size_is_stored_as_it_is(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))

    key = put_mask(store, png(), height_px=48, width_px=64)

    marked = read_mask(store.get(key), height_px=48, width_px=64)
    # Rows 2 to 4, columns 3 to 8.
    assert marked.sum() == 3 * 6
    assert marked[2:5, 3:9].all()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png(64, 48), "the mask has 48 x 64 pixels and the picture 64 x 48"),
        (png(48, 65), "the mask has 65 x 48 pixels"),
        (png(marked=False), "marks nothing in the picture"),
        (png()[:-30], "damaged PNG"),
        (b"", "0 bytes that begin with b'' are no PNG"),
        (cv2.imencode(".jpg", np.zeros((48, 64), np.uint8))[1].tobytes(), "are no PNG"),
    ],
)
def test_a_bad_mask_is_refused_and_nothing_is_stored(
    tmp_path: Path, data: bytes, words: str
) -> None:
    with pytest.raises(BadMask, match=words):
        put_mask(ImageStore(str(tmp_path)), data, height_px=48, width_px=64)

    assert list(tmp_path.iterdir()) == []
