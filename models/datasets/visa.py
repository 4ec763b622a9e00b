"""Image sets in the folder layout of VisA: one folder for each category, one split file for all.

    <root>/split_csv/1cls.csv                   object,split,label,image,mask
    <root>/<category>/image_anno.csv            image,label,mask
    <root>/<category>/Data/Images/Normal/*.JPG  and Anomaly/*.JPG
    <root>/<category>/Data/Masks/Anomaly/*.png  a number for each kind of defect

Paths in both files are relative to the root.

Source: Zou et al., "SPot-the-Difference Self-Supervised Pre-training for Anomaly Detection and
Segmentation", ECCV 2022.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, cast

import structlog

from models.datasets.base import GOOD, Dataset, Sample, Split
from models.datasets.hash_split import training_names
from models.datasets.listing import natural_key, pictures
from models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

SPLIT_FILE = "split_csv/1cls.csv"
LABEL_FILE = "image_anno.csv"
LABELS = {"normal": False, "anomaly": True}
#: Kind of a part with several defects, as MVTec AD calls it.
COMBINED = "combined"
#: Kind of a part whose defect the label file does not name.
UNNAMED = "anomaly"

log = structlog.get_logger()


def is_visa(folder: Path) -> bool:
    """Whether the folder is one category of the layout."""
    return (folder / "Data" / "Images" / "Normal").is_dir()


def open_visa(folder: Path) -> Dataset:
    """List one category, split as the split file of one-class training says.

    Without that file the good images are split by their names, which is logged: such figures
    compare with nobody's. The kind of a defect is the label in `image_anno.csv`, `combined` where
    it names several; without that file it is `anomaly`.

    Args:
        folder: of the category; the split file lies beside it.

    Raises:
        DatasetError: naming the file, if a list is not of this layout, or a picture or a mask that
            it names is missing.
    """
    folder = folder.absolute()
    kinds = _kinds(folder)
    split_file = folder.parent / SPLIT_FILE
    if split_file.exists():
        samples = _listed(folder, split_file, kinds)
    else:
        log.warning("dataset.no_split_file", wanted=str(split_file), split="80 % by name")
        samples = _found(folder, kinds)
    samples.sort(key=lambda s: (s.is_anomalous, natural_key(s.defect), natural_key(s.name)))
    train = [sample for sample in samples if sample.split == "train"]
    if not train:
        raise DatasetError(f"{folder} has no normal picture to train on")
    return Dataset(str(folder), train, [sample for sample in samples if sample.split == "test"])


def _listed(folder: Path, split_file: Path, kinds: dict[str, str]) -> list[Sample]:
    """The category's rows of the split file."""
    rows = _rows(split_file, ("object", "split", "label", "image", "mask"))
    chosen = [(line, row) for line, row in rows if row["object"] == folder.name]
    if not chosen:
        objects = ", ".join(dict.fromkeys(row["object"] for _, row in rows))
        raise DatasetError(
            f"{split_file} lists no object {folder.name!r}, it has {objects}: "
            "call the folder as its object"
        )
    samples = []
    for line, row in chosen:
        place = f"{split_file}, line {line}"
        if row["split"] not in ("train", "test") or row["label"] not in LABELS:
            raise DatasetError(
                f"{place}: split {row['split']!r} and label {row['label']!r}, "
                "expected train or test, and normal or anomaly"
            )
        is_anomalous = LABELS[row["label"]]
        if is_anomalous and row["split"] == "train":
            raise DatasetError(f"{place}: {row['image']} is an anomaly, train takes normal ones")
        path = _existing(folder.parent / row["image"], place)
        mask = None
        if is_anomalous and row["mask"]:
            mask = _existing(folder.parent / row["mask"], place)
        defect = kinds.get(row["image"], UNNAMED) if is_anomalous else GOOD
        samples.append(_sample(folder, path, defect, mask, cast("Split", row["split"])))
    return samples


def _found(folder: Path, kinds: dict[str, str]) -> list[Sample]:
    """The category's pictures, without a split file."""
    normal = pictures(folder / "Data/Images/Normal")
    for_training = training_names(path.name for path in normal)
    samples = [
        _sample(folder, path, GOOD, None, "train" if path.name in for_training else "test")
        for path in normal
    ]
    masks = {path.stem: path for path in pictures(folder / "Data/Masks/Anomaly")}
    for path in pictures(folder / "Data/Images/Anomaly"):
        name = path.relative_to(folder.parent).as_posix()
        defect = kinds.get(name, UNNAMED)
        samples.append(_sample(folder, path, defect, masks.get(path.stem), "test"))
    return samples


def _sample(folder: Path, path: Path, defect: str, mask: Path | None, split: Split) -> Sample:
    if not path.is_relative_to(folder):
        raise DatasetError(f"{path} does not lie in its category's folder {folder}")
    return Sample(path.relative_to(folder).as_posix(), path, defect, mask, split)


def _kinds(folder: Path) -> dict[str, str]:
    """Kind of defect of each picture that the label file names, by its path below the root."""
    file = folder / LABEL_FILE
    if not file.exists():
        return {}
    kinds = {}
    for _, row in _rows(file, ("image", "label")):
        names = [name.strip() for name in row["label"].split(",") if name.strip()]
        kinds[row["image"]] = COMBINED if len(names) > 1 else "".join(names) or UNNAMED
    return kinds


def _rows(file: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Every row with its line; DatasetError if the file is no such table."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="")
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise DatasetError(f"{file} has no column {', '.join(sorted(missing))}")
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise DatasetError(f"cannot read {file}: {exc}") from exc


def _existing(path: Path, place: str) -> Path:
    if not path.is_file():
        raise DatasetError(f"{path} is missing, {place} names it: copy it there again")
    return path
