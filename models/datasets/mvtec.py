"""Image sets in the folder layout of MVTec AD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from models.datasets.base import GOOD, Dataset, Sample, Split
from models.datasets.listing import folders, pictures
from models.datasets.visa import is_visa
from models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = (
    "expected train/good/*.png, test/good/*.png, test/<defect>/*.png and, for pixel figures, "
    "ground_truth/<defect>/<name>_mask.png (or another picture format)"
)

log = structlog.get_logger()


def is_mvtec(root: Path) -> bool:
    """Whether the folder has the layout's training images."""
    return (root / "train" / GOOD).is_dir()


def open_mvtec(root: Path) -> Dataset:
    """List a folder in MVTec layout, everything in natural order of the names.

    `test` may be missing (a set for training only), and so may any mask: a defective picture
    without one is in the image figures only, which is logged. A mask is called as its picture, with
    or without `_mask` behind it.

    Raises:
        DatasetError: if the folder is missing or laid out in another way, or a kind of defect has
            masks of which none is called as a picture.
    """
    if not root.is_dir():
        raise DatasetError(
            f"data folder {root} {'is a file' if root.exists() else 'does not exist'}: "
            "give a folder in MVTec or VisA layout, or elpv"
        )
    if not is_mvtec(root):
        raise DatasetError(f"{root} has no folder train/good: {LAYOUT}{_hint(root)}")
    train = _samples(root, "train", GOOD)
    if not train:
        raise DatasetError(f"{root / 'train' / GOOD} holds no picture: {LAYOUT}")
    for name in folders(root / "train"):
        if name != GOOD:
            log.warning("dataset.folder_ignored", folder=str(root / "train" / name))
    defects = [name for name in folders(root / "test") if name != GOOD]
    test = [s for defect in (GOOD, *defects) for s in _samples(root, "test", defect)]
    _log_unmarked(root, test)
    return Dataset(str(root), train, test)


def _samples(root: Path, split: Split, defect: str) -> list[Sample]:
    parts = pictures(root / split / defect)
    masks = _masks(root / "ground_truth" / defect, parts) if defect != GOOD else {}
    return [
        Sample(path.relative_to(root).as_posix(), path, defect, masks.get(path), split)
        for path in parts
    ]


def _masks(folder: Path, parts: list[Path]) -> dict[Path, Path]:
    """The masks of those pictures that have one."""
    drawn = {path.stem: path for path in pictures(folder)}
    found = {part: drawn.get(f"{part.stem}_mask") or drawn.get(part.stem) for part in parts}
    masks = {part: mask for part, mask in found.items() if mask is not None}
    if drawn and parts and not masks:
        raise DatasetError(
            f"no mask in {folder} belongs to a picture: {parts[0]} needs {parts[0].stem}_mask.png"
        )
    return masks


def _log_unmarked(root: Path, test: list[Sample]) -> None:
    unmarked = [sample for sample in test if sample.is_anomalous and sample.mask_path is None]
    if unmarked and (root / "ground_truth").is_dir():
        log.warning(
            "dataset.masks_missing", data=str(root), images=len(unmarked), first=unmarked[0].name
        )


def _hint(root: Path) -> str:
    """What the user may have meant, where one level further down fits."""
    below = [name for name in folders(root) if is_mvtec(root / name) or is_visa(root / name)]
    return f"; give one of the sets in it: {', '.join(below[:20])}" if below else ""
