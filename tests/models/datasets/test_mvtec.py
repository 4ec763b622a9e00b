"""Folders in MVTec layout: listed in one order, and every fault named with its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from models.datasets import open_dataset
from models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path


def picture(path: Path, value: int = 128, size: tuple[int, int] = (8, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(size, value, np.uint8))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "bolts"
    for number in (1, 2, 10):
        picture(folder / f"train/good/part-{number}.png")
    picture(folder / "test/good/part-3.JPG")
    picture(folder / "test/crack/part-4.bmp")
    picture(folder / "test/blot/part-5.png")
    picture(folder / "ground_truth/crack/part-4_mask.png", 255)
    picture(folder / "ground_truth/blot/part-5_mask.png", 255)
    return folder


def test_pictures_are_listed_in_natural_order_with_their_defects_and_masks(root: Path) -> None:
    dataset = open_dataset(root)

    assert [sample.name for sample in dataset.train] == [
        "train/good/part-1.png",
        "train/good/part-2.png",
        "train/good/part-10.png",
    ]
    assert [(s.name, s.defect, s.is_anomalous, s.split) for s in dataset.test] == [
        ("test/good/part-3.JPG", "good", False, "test"),
        ("test/blot/part-5.png", "blot", True, "test"),
        ("test/crack/part-4.bmp", "crack", True, "test"),
    ]
    assert [s.mask_path and s.mask_path.name for s in dataset.test] == [
        None,
        "part-5_mask.png",
        "part-4_mask.png",
    ]
    assert dataset.uncertain == []


def test_a_sample_gives_its_bytes_its_picture_and_its_mask(root: Path) -> None:
    sample = open_dataset(str(root)).test[1]
    mask = np.zeros((8, 10), np.uint8)
    mask[2:4, 5:9] = 255
    assert sample.mask_path is not None
    cv2.imwrite(str(sample.mask_path), mask)

    assert sample.read() == (root / "test/blot/part-5.png").read_bytes()
    assert sample.image().shape == (8, 10, 3)
    np.testing.assert_array_equal(sample.mask(8, 10), mask == 255)


@pytest.mark.parametrize(("values", "kind"), [((0, 1), np.uint8), ((0, 1, 4), np.uint16)])
def test_every_pixel_of_a_mask_that_is_not_black_counts(
    root: Path, values: tuple[int, ...], kind: type
) -> None:
    sample = open_dataset(root).test[1]
    assert sample.mask_path is not None
    mask = np.resize(np.array(values, kind), (8, 10))
    cv2.imwrite(str(sample.mask_path), mask)

    np.testing.assert_array_equal(sample.mask(8, 10), mask > 0)


def test_an_empty_mask_is_empty(root: Path) -> None:
    sample = open_dataset(root).test[1]
    assert sample.mask_path is not None
    picture(sample.mask_path, 0)

    mask = sample.mask(8, 10)

    assert mask is not None
    assert not mask.any()


def test_hidden_files_texts_and_folders_are_no_pictures(root: Path) -> None:
    (root / "train/good/.part-0.png").write_bytes(b"")
    (root / "train/good/notes.txt").write_text("line 4")
    (root / "train/good/folder.png").mkdir()

    assert len(open_dataset(root).train) == 3


def test_without_ground_truth_there_are_no_masks(root: Path) -> None:
    (root / "ground_truth").rename(root / "elsewhere")

    assert [sample.mask_path for sample in open_dataset(root).test] == [None, None, None]


def test_a_set_for_training_only_has_no_test_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "train/good/one.png")

    dataset = open_dataset(tmp_path)

    assert len(dataset.train) == 1
    assert dataset.test == []


def test_another_folder_beside_the_good_ones_is_logged(root: Path) -> None:
    picture(root / "train/bad/part-9.png")

    with capture_logs() as logs:
        dataset = open_dataset(root)

    assert len(dataset.train) == 3
    assert [entry["folder"] for entry in logs] == [str(root / "train/bad")]


def refusal(spec: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        open_dataset(spec)
    return str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'nowhere'} does not exist" in refusal(tmp_path / "nowhere")


def test_a_file_is_no_folder(root: Path) -> None:
    assert "is a file" in refusal(root / "train/good/part-1.png")


def test_another_layout_is_told_what_is_expected(tmp_path: Path) -> None:
    picture(tmp_path / "images/one.png")

    message = refusal(tmp_path)

    assert f"{tmp_path} has no folder train/good" in message
    assert "ground_truth/<defect>/<name>_mask.png" in message


def test_a_folder_of_sets_names_the_sets_in_it(root: Path) -> None:
    assert "give one of the sets in it: bolts" in refusal(root.parent)


def test_no_good_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train/good").mkdir(parents=True)

    assert f"{tmp_path / 'train/good'} holds no picture" in refusal(tmp_path)


def test_pictures_without_a_mask_are_kept_and_counted_in_one_line(root: Path) -> None:
    (root / "ground_truth/crack/part-4_mask.png").unlink()

    with capture_logs() as logs:
        dataset = open_dataset(root)

    assert [s.mask_path and s.mask_path.name for s in dataset.test] == [
        None,
        "part-5_mask.png",
        None,
    ]
    assert [(entry["images"], entry["first"]) for entry in logs] == [(1, "test/crack/part-4.bmp")]


def test_a_mask_may_be_called_as_its_picture(root: Path) -> None:
    masks = root / "ground_truth/crack"
    (masks / "part-4_mask.png").rename(masks / "part-4.png")

    mask_path = open_dataset(root).test[2].mask_path

    assert mask_path == masks / "part-4.png"


def test_masks_that_belong_to_no_picture_are_an_error(root: Path) -> None:
    masks = root / "ground_truth/crack"
    (masks / "part-4_mask.png").rename(masks / "mask-of-part-4.png")

    message = refusal(root)

    assert f"no mask in {masks} belongs to a picture" in message
    assert f"{root / 'test/crack/part-4.bmp'} needs part-4_mask.png" in message


def test_a_mask_of_another_size_is_named_with_both_sizes(root: Path) -> None:
    sample = open_dataset(root).test[1]
    assert sample.mask_path is not None
    picture(sample.mask_path, 255, size=(8, 11))

    with pytest.raises(DatasetError, match=r"part-5_mask\.png has 8 x 11 .* has 8 x 10"):
        sample.mask(8, 10)


def test_a_broken_picture_is_named(root: Path) -> None:
    sample = open_dataset(root).train[0]
    sample.path.write_bytes(sample.path.read_bytes()[:-20])

    with pytest.raises(DatasetError, match=r"part-1\.png: .* ends too early"):
        sample.image()


def test_a_picture_that_vanished_is_named(root: Path) -> None:
    sample = open_dataset(root).train[0]
    sample.path.unlink()

    with pytest.raises(DatasetError, match=r"cannot read .*part-1\.png: No such file"):
        sample.read()


@pytest.mark.parametrize(
    ("name", "train", "good", "defective"),
    [("magnetic_tile", 761, 191, 388), ("cookie", 31, 14, 32)],
)
def test_the_shared_sets_have_the_counts_of_their_readme(
    shared_data: Path, name: str, train: int, good: int, defective: int
) -> None:
    dataset = open_dataset(shared_data / name)

    anomalous = [sample for sample in dataset.test if sample.is_anomalous]
    assert (len(dataset.train), len(dataset.test) - len(anomalous)) == (train, good)
    assert len(anomalous) == defective
    assert all(sample.mask_path is not None for sample in anomalous)
    image = anomalous[0].image()
    mask = anomalous[0].mask(*image.shape[:2])
    assert mask is not None
    assert mask.any()
