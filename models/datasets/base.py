"""What every image set consists of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from models.errors import DatasetError, ImageError
from models.images import decode

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

GOOD = "good"

Split = Literal["train", "test", "uncertain"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of an image set."""

    #: Unique in its set and the same on every machine: the path below the set's folder, with `/`.
    name: str
    path: Path
    #: The kind of defect; `good` for a normal part.
    defect: str
    #: Picture of the defect's place; None for normal parts and for sets without masks.
    mask_path: Path | None
    split: Split

    @property
    def is_anomalous(self) -> bool:
        """Whether the part shows a defect."""
        return self.defect != GOOD

    def read(self) -> bytes:
        """The encoded picture; raises DatasetError that names the file."""
        return _read(self.path)

    def image(self) -> NDArray[np.uint8]:
        """The decoded picture, (H, W, 3) RGB; raises DatasetError that names the file."""
        return _decode(self.path)

    def mask(self, height: int, width: int) -> NDArray[np.bool_] | None:
        """Where the defect is, (H, W); None if the sample has no mask.

        A pixel counts from half the mask's largest value: masks are written as 0/255 and as 0/1.

        Raises:
            DatasetError: if the mask cannot be read or is not of the picture's size.
        """
        if self.mask_path is None:
            return None
        grey: NDArray[np.uint8] = _decode(self.mask_path).max(axis=2)
        if grey.shape != (height, width):
            got = f"{grey.shape[0]} x {grey.shape[1]}"
            raise DatasetError(
                f"mask {self.mask_path} has {got} pixels, its picture {self.path.name} has "
                f"{height} x {width}: they must be of one size"
            )
        is_defect: NDArray[np.bool_] = (grey > 0) & (grey >= grey.max() / 2)
        return is_defect


@dataclass(frozen=True, slots=True)
class Dataset:
    """An image set, in an order that is the same every time and everywhere."""

    name: str
    #: Normal parts only.
    train: list[Sample]
    #: Normal and defective parts.
    test: list[Sample]
    #: Parts on which the labellers did not agree; in no measure.
    uncertain: list[Sample] = field(default_factory=list)


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that puts `part-2` before `part-10`."""
    pieces = re.findall(r"(\d+)|(\D+)", name.lower())
    return [(int(digits or -1), text) for digits, text in pieces], name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DatasetError(f"cannot read {path}: {exc.strerror}") from exc


def _decode(path: Path) -> NDArray[np.uint8]:
    try:
        return decode(_read(path))
    except ImageError as exc:
        raise DatasetError(f"{path}: {exc}; or take the file out of the set") from exc
