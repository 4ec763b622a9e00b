"""What a folder holds, in natural order, without what is hidden."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that puts `part-2` before `part-10`."""
    pieces = re.findall(r"(\d+)|(\D+)", name.lower())
    return [(int(digits or -1), text) for digits, text in pieces], name


def pictures(folder: Path) -> list[Path]:
    """The files that are pictures by their suffix; none if there is no such folder.

    Raises:
        DatasetError: if the folder cannot be listed.
    """
    paths = [folder / name for name in _names(folder)]
    return [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]


def folders(folder: Path) -> list[str]:
    """The names of the folders in it; none if there is no such folder.

    Raises:
        DatasetError: if the folder cannot be listed.
    """
    return [name for name in _names(folder) if (folder / name).is_dir()]


def _names(folder: Path) -> list[str]:
    try:
        names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise DatasetError(f"cannot list {folder}: {exc.strerror}") from exc
    return sorted(names, key=natural_key)
