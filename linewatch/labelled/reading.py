"""Read a folder of labelled data: every file is checked before anything is imported."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from db.defect_classes import MAX_NAME_CHARS
from db.tables import SampleLabel, Side
from linewatch.labelled.layout import GOOD, SPLITS, LabelledFile, read_description
from models.datasets.listing import folders, pictures
from models.datasets.mvtec import LAYOUT
from models.errors import DatasetError, ImageError, ShapeError
from models.images import decode, decode_mask
from models.near_duplicates import signature

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from linewatch.labelled.layout import Description
    from models.detector import Progress

#: Frame ids of imported pictures are made from this and their bytes: the same picture is the same
#: frame, wherever it lies.
_NAMESPACE = UUID("5f0c9a1e-3d0b-4a55-9b0e-6a3f1f2d7c41")


@dataclass(frozen=True, slots=True)
class Found:
    """A labelled picture that can be imported."""

    path: Path
    mask_path: Path | None
    frame_id: UUID
    #: Of the picture's bytes.
    sha256: str
    label: SampleLabel
    defect_class: str | None
    #: The side its folder says.
    side: Side
    part_id: str | None
    lot_id: str | None
    signature: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a folder holds."""

    found: list[Found]
    #: Pictures that lie in it a second time, under the same label.
    twice: int


def read_folder(root: Path, *, max_pixels: int, progress: Progress) -> Contents:
    """Read and check every picture and mask of a folder in MVTec layout, or one that we exported.

    Raises:
        DatasetError: naming the file, if one cannot be used, or the layout is another one.
    """
    listed = _listed(root)
    description = read_description(root)
    described = {one.file: one for one in description.files} if description else {}
    found: dict[str, Found] = {}
    twice = 0
    for done, (path, mask_path, split, folder) in enumerate(listed):
        progress("check", done, len(listed))
        entry = described.get(path.relative_to(root).as_posix())
        one = _checked(path, mask_path, split, _class_name(folder, description), entry, max_pixels)
        first = found.setdefault(one.sha256, one)
        if first is one:
            continue
        if (first.label, first.defect_class) != (one.label, one.defect_class):
            raise DatasetError(
                f"{first.path} and {path} are the same picture with different labels: "
                "take one of them out"
            )
        twice += 1
    progress("check", len(listed), len(listed))
    return Contents(list(found.values()), twice)


def _listed(root: Path) -> list[tuple[Path, Path | None, str, str]]:
    """Every picture with its mask, its split and its class folder."""
    if not root.is_dir():
        raise DatasetError(
            f"data folder {root} {'is a file' if root.exists() else 'does not exist'}: "
            "give a folder in MVTec layout, or one that `linewatch export` wrote"
        )
    listed: list[tuple[Path, Path | None, str, str]] = []
    for split, (_, masks) in SPLITS.items():
        for folder in folders(root / split):
            parts = pictures(root / split / folder)
            drawn = {} if folder == GOOD else _drawn(root / masks / folder)
            for path in parts:
                mask = drawn.get(f"{path.stem}_mask") or drawn.get(path.stem)
                listed.append((path, mask, split, folder))
    if not listed:
        raise DatasetError(f"{root} holds no labelled picture: {LAYOUT}")
    return listed


def _drawn(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in pictures(folder)}


def _class_name(folder: str, description: Description | None) -> str | None:
    """The name of the class; None for goods and for defects that nobody named."""
    if folder == GOOD:
        return None
    name = folder if description is None else description.classes.get(folder, folder)
    return " ".join(name.split()) or None


def _checked(
    path: Path,
    mask_path: Path | None,
    split: str,
    defect_class: str | None,
    entry: LabelledFile | None,
    max_pixels: int,
) -> Found:
    is_good = path.parent.name == GOOD
    if defect_class is not None and len(defect_class) > MAX_NAME_CHARS:
        raise DatasetError(
            f"{path.parent}: a defect class has at most {MAX_NAME_CHARS} characters, this folder's "
            f"has {len(defect_class)}: rename it"
        )
    data = _bytes(path)
    try:
        image = decode(data, max_pixels=max_pixels)
        marks = signature(image)
    except (ImageError, ShapeError) as exc:
        raise DatasetError(f"{path}: {exc}; or take the file out of the folder") from exc
    if mask_path is not None:
        read_mask(mask_path, image, path)
    sha256 = hashlib.sha256(data).hexdigest()
    return Found(
        path=path,
        mask_path=mask_path,
        frame_id=entry.frame_id if entry else uuid5(_NAMESPACE, sha256),
        sha256=sha256,
        label=SampleLabel.GOOD if is_good else SampleLabel.DEFECT,
        defect_class=defect_class,
        side=SPLITS[split][0],
        part_id=(entry.part_id or None) if entry else None,
        lot_id=(entry.lot_id or None) if entry else None,
        signature=marks,
    )


def read_mask(path: Path, image: NDArray[np.uint8], picture: Path) -> NDArray[np.bool_]:
    """The marked pixels (H, W) of a picture's mask.

    Raises:
        DatasetError: naming the file, if it is no picture, of another size, or marks nothing.
    """
    height, width = image.shape[:2]
    try:
        # A mask may declare no more than its picture has: its size is checked before it is decoded.
        marked = decode_mask(_bytes(path), max_pixels=height * width)
    except ImageError as exc:
        raise DatasetError(f"{path}: {exc}; or take the mask out of the folder") from exc
    if marked.shape != (height, width):
        raise DatasetError(
            f"mask {path} has {marked.shape[0]} x {marked.shape[1]} pixels, its picture "
            f"{picture.name} has {height} x {width}: they must be of one size"
        )
    if not marked.any():
        raise DatasetError(
            f"mask {path} marks no pixel: draw the defect, or take the mask out of the folder"
        )
    return marked


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DatasetError(f"cannot read {path}: {exc.strerror}") from exc
