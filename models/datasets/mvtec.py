"""Image sets in the folder layout of MVTec AD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from models.datasets.base import GOOD, Dataset, Sample, Split, natural_key
from models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
LAYOUT = (
    "expected train/good/*.png, test/good/*.png, test/<defect>/*.png and, for pixel figures, "
    "ground_truth/<defect>/<name>_mask.png (or another picture format)"
)

log = structlog.get_logger()


def open_mvtec(root: Path) -> Dataset:
    """List a folder in MVTec layout, everything in natural order of the names.

    `test` may be missing (a set for training only). Without `ground_truth` there are no masks; with
    it, every defective test picture must have one.

    Raises:
        DatasetError: if the folder is missing or laid out in another way, or a mask is missing.
    """
    if not root.is_dir():
        raise DatasetError(
            f"data folder {root} {'is a file' if root.exists() else 'does not exist'}: "
            "give a folder in MVTec layout, or elpv"
        )
    if not (root / "train" / GOOD).is_dir():
        raise DatasetError(f"{root} has no folder train/good: {LAYOUT}{_hint(root)}")
    train = _samples(root, "train", GOOD)
    if not train:
        raise DatasetError(f"{root / 'train' / GOOD} holds no picture: {LAYOUT}")
    for name in _folders(root / "train"):
        if name != GOOD:
            log.warning("dataset.folder_ignored", folder=str(root / "train" / name))
    defects = [name for name in _folders(root / "test") if name != GOOD]
    test = [s for defect in (GOOD, *defects) for s in _samples(root, "test", defect)]
    return Dataset(str(root), train, test)


def _samples(root: Path, split: Split, defect: str) -> list[Sample]:
    folder = root / split / defect
    masks = None
    if defect != GOOD and (root / "ground_truth").is_dir():
        mask_folder = root / "ground_truth" / defect
        masks = {path.stem: path for path in _pictures(mask_folder)}
    samples = []
    for path in _pictures(folder):
        mask_path = None if masks is None else masks.get(f"{path.stem}_mask")
        if masks is not None and mask_path is None:
            wanted = root / "ground_truth" / defect / f"{path.stem}_mask.png"
            raise DatasetError(
                f"the mask {wanted} of test picture {path} is missing: add it, or take the picture "
                "out; without any ground_truth folder the set has image figures only"
            )
        name = path.relative_to(root).as_posix()
        samples.append(Sample(name, path, defect, mask_path, split))
    return samples


def _pictures(folder: Path) -> list[Path]:
    return [folder / name for name in _names(folder) if _is_picture(folder / name)]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _folders(folder: Path) -> list[str]:
    return [name for name in _names(folder) if (folder / name).is_dir()]


def _names(folder: Path) -> list[str]:
    """The names in a folder without the hidden ones; none if there is no such folder."""
    try:
        names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise DatasetError(f"cannot list {folder}: {exc.strerror}") from exc
    return sorted(names, key=natural_key)


def _hint(root: Path) -> str:
    """What the user may have meant, where one level further down fits."""
    below = [name for name in _folders(root) if (root / name / "train" / GOOD).is_dir()]
    return f"; give one of the sets in it: {', '.join(below[:20])}" if below else ""
