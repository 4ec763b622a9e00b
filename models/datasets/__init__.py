"""Image sets for training and evaluation, opened by a folder or by name."""

from __future__ import annotations

from pathlib import Path

from models.datasets.base import Dataset, Sample
from models.datasets.elpv import open_elpv
from models.datasets.mvtec import is_mvtec, open_mvtec
from models.datasets.visa import is_visa, open_visa

__all__ = ["Dataset", "Sample", "open_dataset"]


def open_dataset(spec: str | Path) -> Dataset:
    """Open an image set; only names are listed, pictures are read when asked for.

    Args:
        spec: a folder in MVTec layout, a category's folder in VisA layout, or `elpv`, `elpv:mono`
            or `elpv:poly`. A folder that happens to be called `elpv` is opened as `./elpv`.

    Raises:
        DatasetError: if it does not exist or is laid out in another way.
    """
    name, _, kind = str(spec).partition(":")
    if name == "elpv" and not isinstance(spec, Path):
        return open_elpv(kind)
    folder = Path(spec)
    if is_visa(folder) and not is_mvtec(folder):
        return open_visa(folder)
    return open_mvtec(folder)
