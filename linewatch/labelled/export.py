"""Write a line's labelled data into a folder: whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sqlalchemy import select

from db.errors import ImageDamaged, ImageMissing
from db.sample_pools import looked_over
from db.tables import Review, Sample, Side, utc_now
from linewatch.errors import LabelledDataError
from linewatch.labelled.layout import (
    DESCRIPTION,
    GOOD,
    SPLITS,
    Description,
    LabelledFile,
    class_folders,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

    from sqlalchemy.orm import Session

    from db.store import ImageStore
    from db.tables import Line
    from models.detector import Progress

_SPLIT_OF = {side.value: split for split, (side, _) in SPLITS.items()}


def export_line(
    session: Session, store: ImageStore, line: Line, out: Path, *, progress: Progress
) -> Description:
    """Write a line's labelled frames, golden ones as `test` and the others as `train`.

    Frames that are removed, that nobody has looked over, that are on no side, or whose picture is
    missing are left out and counted.

    Raises:
        LabelledDataError: if there is nothing to export, or `out` is not empty or cannot be made.
        StoreError: if the image store cannot be used.
    """
    _check_empty(out)
    rows = session.execute(
        select(Sample, Review, looked_over())
        .outerjoin(Review, Review.id == Sample.review_id)
        .where(Sample.line_id == line.id)
        .order_by(Sample.id)
    ).all()
    left_out: Counter[str] = Counter()
    taken: list[tuple[Sample, Review | None]] = []
    for sample, review, is_looked_over in rows:
        reason = _why_not(sample, is_looked_over=is_looked_over)
        if reason is None:
            taken.append((sample, review))
        else:
            left_out[reason] += 1
    if not taken:
        counted = "; ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none"
        raise LabelledDataError(
            f"line {line.name!r} has no labelled frames to export (left out: {counted}): review "
            "some parts, teach the line, or wait for the scheduler to look at new ones"
        )
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        partial.mkdir(parents=True)
        description = _write(partial, store, line, taken, left_out, progress)
        os.replace(partial, out)  # noqa: PTH105 - Path.replace refuses nothing that this would
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return description


def _check_empty(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise LabelledDataError(f"{out} is a file: name a folder that does not exist yet")
    if out.is_dir() and any(out.iterdir()):
        raise LabelledDataError(f"{out} is not empty: name a folder that does not exist yet")


def _why_not(sample: Sample, *, is_looked_over: bool) -> str | None:
    if sample.removed_at is not None:
        return "removed"
    if not is_looked_over:
        return "collected, but not looked over"
    if sample.side is None:
        return "not looked at yet"
    return "on neither side" if sample.side == Side.NEITHER.value else None


def _write(
    root: Path,
    store: ImageStore,
    line: Line,
    taken: Sequence[tuple[Sample, Review | None]],
    left_out: Counter[str],
    progress: Progress,
) -> Description:
    names = sorted({sample.defect_class for sample, _ in taken if sample.label != GOOD}, key=str)
    folders = class_folders(names)
    frame_of = {sample.id: sample.frame_id for sample, _ in taken}
    files = []
    for done, (sample, review) in enumerate(taken):
        progress("export", done, len(taken))
        folder = GOOD if sample.label == GOOD else folders[sample.defect_class]
        written = _write_one(root, store, sample, folder)
        if written is None:
            left_out["picture missing in the image store"] += 1
        else:
            files.append(_described(sample, review, *written, frame_of))
    progress("export", len(taken), len(taken))
    description = Description(
        line=line.name,
        exported_at=utc_now(),
        classes={folder: name or "" for name, folder in folders.items()},
        files=tuple(files),
        left_out=dict(left_out),
    )
    for split in SPLITS:  # readers of the layout expect both
        (root / split / GOOD).mkdir(parents=True, exist_ok=True)
    (root / DESCRIPTION).write_text(description.model_dump_json(indent=1) + "\n", "utf-8")
    return description


def _write_one(
    root: Path, store: ImageStore, sample: Sample, folder: str
) -> tuple[str, str | None] | None:
    """Write picture and mask; returns their paths below the folder, or None without a picture."""
    try:
        image = store.get(sample.image_key)
        mask = store.get(sample.mask_key) if sample.mask_key is not None else None
    except (ImageMissing, ImageDamaged):
        return None
    split = _SPLIT_OF[sample.side or ""]
    name = str(sample.frame_id)
    file = PurePosixPath(split, folder, name + PurePosixPath(sample.image_key).suffix)
    _put(root / file, image)
    if mask is None or sample.mask_key is None:
        return str(file), None
    suffix = PurePosixPath(sample.mask_key).suffix
    mask_file = PurePosixPath(SPLITS[split][1], folder, f"{name}_mask{suffix}")
    _put(root / mask_file, mask)
    return str(file), str(mask_file)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _described(
    sample: Sample, review: Review | None, file: str, mask: str | None, frame_of: dict[int, UUID]
) -> LabelledFile:
    return LabelledFile.model_validate(
        {
            "file": file,
            "mask": mask,
            "frame_id": sample.frame_id,
            "label": sample.label,
            "defect_class": sample.defect_class,
            "side": sample.side,
            "source": sample.source,
            "part_id": sample.part_id,
            "lot_id": sample.lot_id,
            "near_duplicate_of": frame_of.get(sample.duplicate_of_id or 0),
            "reviewer": review.reviewer if review else None,
            "reviewed_at": review.created_at if review else None,
        }
    )
