"""What a model keeps of the good images it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.calibration import calibrate
from models.errors import ArtifactError
from models.good_images import GOOD_IMAGES_FILE, GoodImages, HeldOut

if TYPE_CHECKING:
    from pathlib import Path

#: A float32 that has no short decimal form.
THIRD = float(np.float32(1 / 3))
GOOD = GoodImages(
    ("train/good/0.png", "train/good/ä.png"),
    (HeldOut("train/good/1.png", THIRD, 2.5), HeldOut("train/good/3.png", 4.0, 0.1)),
    review_rate=0.05,
    reject_rate=0.01,
)


def test_it_is_read_as_it_was_written_and_always_in_the_same_bytes(tmp_path: Path) -> None:
    GOOD.save(tmp_path)
    first = (tmp_path / GOOD_IMAGES_FILE).read_bytes()

    assert GoodImages.load(tmp_path) == GOOD
    GoodImages.load(tmp_path).save(tmp_path)
    assert (tmp_path / GOOD_IMAGES_FILE).read_bytes() == first


def test_all_names_are_told() -> None:
    assert GOOD.names == (
        "train/good/0.png", "train/good/ä.png", "train/good/1.png", "train/good/3.png",
    )  # fmt: skip


def test_thresholds_come_from_the_held_out_images() -> None:
    calibration, map_thresholds = GOOD.calibrate()

    assert calibration == calibrate([THIRD, 4.0], review_rate=0.05, reject_rate=0.01)
    # Just above the largest, in float32.
    assert map_thresholds.reject == float(np.nextafter(np.float32(2.5), np.float32(3)))


def test_a_model_of_an_older_version_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="train it again once, then images can be added"):
        GoodImages.load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fitted": [], "held_out": [{"who": 1}]}'])
def test_a_file_that_is_another_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / GOOD_IMAGES_FILE).write_text(text)

    with pytest.raises(ArtifactError, match=r"good_images\.json cannot be read"):
        GoodImages.load(tmp_path)
