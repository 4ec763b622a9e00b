"""A miniature of VisA, in the layout and with the files of the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from models.datasets import Dataset, open_dataset
from models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

SPLIT = """\
object,split,label,image,mask
candle,train,normal,candle/Data/Images/Normal/0010.JPG,
candle,train,normal,candle/Data/Images/Normal/0002.JPG,
candle,test,normal,candle/Data/Images/Normal/0003.JPG,
candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png
candle,test,anomaly,candle/Data/Images/Anomaly/001.JPG,candle/Data/Masks/Anomaly/001.png
candle,test,anomaly,candle/Data/Images/Anomaly/002.JPG,candle/Data/Masks/Anomaly/002.png
pcb1,train,normal,pcb1/Data/Images/Normal/0000.JPG,
"""
LABELS = """\
image,label,mask
candle/Data/Images/Normal/0002.JPG,normal,
candle/Data/Images/Anomaly/000.JPG,extra wax in candle,candle/Data/Masks/Anomaly/000.png
candle/Data/Images/Anomaly/001.JPG,"chunk of wax missing,other",candle/Data/Masks/Anomaly/001.png
candle/Data/Images/Anomaly/002.JPG,chunk of wax missing,candle/Data/Masks/Anomaly/002.png
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures of 24 x 40, masks with the numbers of their kinds: 5, 1 and 8, 1."""
    for number in (2, 3, 10):
        _write(tmp_path / f"candle/Data/Images/Normal/{number:04}.JPG", np.full((24, 40), 90))
    for number, kinds in enumerate([(5,), (1, 8), (1,)]):
        _write(tmp_path / f"candle/Data/Images/Anomaly/{number:03}.JPG", np.full((24, 40), 200))
        mask = np.zeros((24, 40))
        for place, kind in enumerate(kinds):
            mask[2:6, 10 * place : 10 * place + 4] = kind
        _write(tmp_path / f"candle/Data/Masks/Anomaly/{number:03}.png", mask)
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text(SPLIT)
    (tmp_path / "candle/image_anno.csv").write_text(LABELS)
    return tmp_path


def _write(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), values.astype(np.uint8))


def listed(dataset: Dataset) -> list[tuple[str, str, str]]:
    return [(s.name, s.defect, s.split) for s in [*dataset.train, *dataset.test]]


def refusal(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        open_dataset(folder)
    return str(caught.value)


def test_a_category_is_split_by_the_split_file_and_labelled_by_its_own(root: Path) -> None:
    dataset = open_dataset(root / "candle")

    assert listed(dataset) == [
        ("Data/Images/Normal/0002.JPG", "good", "train"),
        ("Data/Images/Normal/0010.JPG", "good", "train"),
        ("Data/Images/Normal/0003.JPG", "good", "test"),
        ("Data/Images/Anomaly/002.JPG", "chunk of wax missing", "test"),
        ("Data/Images/Anomaly/001.JPG", "combined", "test"),
        ("Data/Images/Anomaly/000.JPG", "extra wax in candle", "test"),
    ]
    assert dataset.test[1].image().shape == (24, 40, 3)


def test_a_mask_holds_every_kind_of_defect(root: Path) -> None:
    combined = open_dataset(root / "candle").test[2]

    mask = combined.mask(24, 40)

    assert mask is not None
    assert int(mask.sum()) == 2 * 4 * 4  # the parts numbered 1 and 8 alike
    assert mask[3, 2]
    assert mask[3, 12]


def test_normal_parts_have_no_mask(root: Path) -> None:
    assert [s.mask_path is None for s in open_dataset(root / "candle").test] == [
        True,
        False,
        False,
        False,
    ]


def test_a_defect_without_a_mask_is_listed_without_one(root: Path) -> None:
    split = root / "split_csv/1cls.csv"
    split.write_text(split.read_text().replace("candle/Data/Masks/Anomaly/000.png", ""))

    assert open_dataset(root / "candle").test[3].mask_path is None


def test_the_current_folder_is_a_category_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "candle")

    assert len(open_dataset(".").train) == 2


def test_without_the_label_file_all_defects_are_of_one_kind(root: Path) -> None:
    (root / "candle/image_anno.csv").unlink()

    defects = {sample.defect for sample in open_dataset(root / "candle").test}

    assert defects == {"good", "anomaly"}


def test_without_the_split_file_the_split_is_by_name_and_logged(root: Path) -> None:
    (root / "split_csv/1cls.csv").unlink()

    with capture_logs() as logs:
        dataset = open_dataset(root / "candle")

    # sha256sum of the names begins 0003.JPG: 0d, 0002.JPG: 98, 0010.JPG: e0; 80 % of 3 is 2.
    assert [s.name for s in dataset.train] == [
        "Data/Images/Normal/0002.JPG",
        "Data/Images/Normal/0003.JPG",
    ]
    assert [s.defect for s in dataset.test] == [
        "good",
        "chunk of wax missing",
        "combined",
        "extra wax in candle",
    ]
    assert all(s.mask_path is not None for s in dataset.test if s.is_anomalous)
    assert [entry["wanted"] for entry in logs] == [str(root / "split_csv/1cls.csv")]


def test_the_root_names_its_categories(root: Path) -> None:
    assert "give one of the sets in it: candle" in refusal(root)


def test_a_renamed_category_is_told_the_names_in_the_split_file(root: Path) -> None:
    (root / "candle").rename(root / "candles")

    message = refusal(root / "candles")

    assert "1cls.csv lists no object 'candles', it has candle, pcb1" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("object,", "thing,", "1cls.csv has no column object"),
        ("train,normal,candle", "val,normal,candle", "1cls.csv, line 2: split 'val'"),
        ("test,anomaly", "test,bad", "line 5: .* label 'bad'"),
        ("test,anomaly", "train,anomaly", "line 5: .*000.JPG is an anomaly"),
        ("candle/Data/Images/Normal/0003.JPG", "pcb1/0003.JPG", "pcb1/0003.JPG is missing"),
        ("Normal/0010", "Normal/0011", r"Normal/0011.JPG is missing, .*line 2 names it"),
        ("Masks/Anomaly/001", "Masks/Anomaly/009", r"Anomaly/009.png is missing, .*line 6"),
        ("candle,train,normal", "candle,test,normal", "no normal picture to train on"),
    ],
)
def test_a_wrong_split_file_is_named_with_the_line(
    root: Path, old: str, new: str, message: str
) -> None:
    file = root / "split_csv/1cls.csv"
    file.write_text(SPLIT.replace(old, new))

    with pytest.raises(DatasetError, match=message):
        open_dataset(root / "candle")


def test_a_list_that_is_no_text_is_named(root: Path) -> None:
    (root / "candle/image_anno.csv").write_bytes(b"\xff\xfe\x00")

    assert f"cannot read {root / 'candle/image_anno.csv'}" in refusal(root / "candle")


def test_a_picture_of_another_category_is_refused(root: Path) -> None:
    _write(root / "pcb1/0000.JPG", np.zeros((8, 8)))
    file = root / "split_csv/1cls.csv"
    file.write_text(SPLIT.replace("candle/Data/Images/Normal/0003.JPG", "pcb1/0000.JPG"))

    assert "does not lie in its category's folder" in refusal(root / "candle")


def test_a_folder_with_both_layouts_is_read_as_mvtecs(root: Path) -> None:
    _write(root / "candle/train/good/0.png", np.zeros((8, 8)))

    assert [s.name for s in open_dataset(root / "candle").train] == ["train/good/0.png"]
