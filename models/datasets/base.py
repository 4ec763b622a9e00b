"""What every image set consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from models.errors import DatasetError, ImageError
from models.images import decode, decode_mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

GOOD = "good"

Split = Literal["train", "test", "uncertain"]

_Array = TypeVar("_Array")


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of an image set."""

    #: Unique in its set and the same on every machine: the path below the set's folder, with `/`.
    name: str
    path: Path
    #: The kind of defect; `good` for a normal part.
    defect: str
    #: Picture of the defect's place; None for normal parts and where nobody has drawn it.
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
        return _decoded(decode, self.path)

    def mask(self, height: int, width: int) -> NDArray[np.bool_] | None:
        """Where the defect is, (H, W): every pixel that is not black; None without a mask.

        Raises:
            DatasetError: if the mask cannot be read or is not of the picture's size.
        """
        if self.mask_path is None:
            return None
        mask = _decoded(decode_mask, self.mask_path)
        if mask.shape != (height, width):
            got = f"{mask.shape[0]} x {mask.shape[1]}"
            raise DatasetError(
                f"mask {self.mask_path} has {got} pixels, its picture {self.path.name} has "
                f"{height} x {width}: they must be of one size"
            )
        return mask


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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DatasetError(f"cannot read {path}: {exc.strerror}") from exc


def _decoded(decoder: Callable[[bytes], _Array], path: Path) -> _Array:
    try:
        return decoder(_read(path))
    except ImageError as exc:
        raise DatasetError(f"{path}: {exc}; or take the file out of the set") from exc
