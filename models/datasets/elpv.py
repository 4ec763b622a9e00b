"""Solar cells from the PyPI package `elpv-dataset` (CC BY-NC-SA 4.0, not for commercial use).

Source: Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar Cells in
Electroluminescence Imagery", EU PVSEC 2018.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from models.datasets.base import GOOD, Dataset, Sample, Split
from models.datasets.hash_split import training_names
from models.errors import DatasetError

KINDS = ("mono", "poly")
DEFECTIVE = "defective"


def open_elpv(kind: str = "") -> Dataset:
    """List the cells: labelled good (probability 0), defective (1), and uncertain (between).

    The good cells of each kind are split by their file names, so that `elpv` is `elpv:mono` and
    `elpv:poly` together.

    Args:
        kind: `mono`, `poly`, or empty for both.

    Raises:
        DatasetError: if the kind is unknown or the package is not installed or not complete.
    """
    if kind and kind not in KINDS:
        raise DatasetError(f"elpv has no kind {kind!r}: use elpv, elpv:mono or elpv:poly")
    folder = _data_folder()
    rows = _labels(folder / "labels.csv")
    cells = [row for row in rows if not kind or row[2] == kind]
    train_names = {name for each in KINDS for name in training_names(_good(rows, each))}
    groups: dict[Split, list[Sample]] = {"train": [], "test": [], "uncertain": []}
    for name, probability, _ in cells:
        split: Split = "train" if name in train_names else "test"
        if 0 < probability < 1:
            split = "uncertain"
        defect = DEFECTIVE if probability > 0 else GOOD
        groups[split].append(Sample(name, folder / name, defect, None, split))
    title = f"elpv:{kind}" if kind else "elpv"
    return Dataset(title, groups["train"], groups["test"], groups["uncertain"])


def _data_folder() -> Path:
    spec = find_spec("elpv_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise DatasetError(
            "the data set elpv needs the package elpv-dataset: pip install 'linewatch[demo]'"
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _labels(path: Path) -> list[tuple[str, float, str]]:
    """File name, probability of a defect, and kind of every cell, in the file's order."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        rows = [line.split() for line in lines if line.strip()]
        return [(name, float(probability), kind) for name, probability, kind in rows]
    except (OSError, ValueError) as exc:
        raise DatasetError(
            f"{path} is missing or not the label file of elpv-dataset ({exc}): "
            "pip install --force-reinstall elpv-dataset"
        ) from exc


def _good(rows: list[tuple[str, float, str]], kind: str) -> list[str]:
    return [name for name, probability, each in rows if each == kind and probability == 0]
