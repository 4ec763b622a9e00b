"""A snapshot's pictures as a training takes them: files, each verified against its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from db.errors import StoreError
from db.tables import SampleLabel, SnapshotUse
from models.datasets import Sample
from models.datasets.base import GOOD
from workers.errors import RetrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from db.store import ImageStore
    from db.tables import SnapshotItem

#: Kind of a defect nobody has named.
UNNAMED = "defect"


@dataclass(slots=True)
class Material:
    """The samples of a snapshot by their use, each in the snapshot's order."""

    normal: list[Sample] = field(default_factory=list)
    held_out: list[Sample] = field(default_factory=list)
    anomaly: list[Sample] = field(default_factory=list)
    golden: list[Sample] = field(default_factory=list)


def materialize(
    store: ImageStore,
    items: Sequence[SnapshotItem],
    folder: Path,
    tell: Callable[[str, int, int], None],
) -> Material:
    """Write the pictures of `items` into `folder`.

    Raises:
        RetrainingError: naming the sample, if a picture or a mask is missing or damaged.
    """
    folder.mkdir()
    material = Material()
    for done, item in enumerate(items):
        tell("pictures", done, len(items))
        getattr(material, item.use).append(_sample(store, item, folder))
    return material


def _sample(store: ImageStore, item: SnapshotItem, folder: Path) -> Sample:
    is_defect = item.label == SampleLabel.DEFECT
    mask = _fetch(store, item, item.mask_key, folder) if is_defect and item.mask_key else None
    is_test = item.use == SnapshotUse.GOLDEN
    split: Literal["train", "test"] = "test" if is_test else "train"
    return Sample(
        name=item.image_key,
        path=_fetch(store, item, item.image_key, folder),
        defect=(item.defect_class or UNNAMED) if is_defect else GOOD,
        mask_path=mask,
        split=split,
    )


def _fetch(store: ImageStore, item: SnapshotItem, key: str, folder: Path) -> Path:
    path = folder / PurePosixPath(key).name
    if path.exists():  # the same picture twice
        return path
    try:
        data = store.get(key)  # compares its sha256 with the key
    except StoreError as exc:
        raise RetrainingError(
            f"sample {item.sample_id} cannot be used: {exc}; or remove the sample from the set"
        ) from exc
    try:
        path.write_bytes(data)
    except OSError as exc:
        raise RetrainingError(
            f"cannot write {path}: {exc.strerror}: free space in the models' folder"
        ) from exc
    return path
