"""A folder of images, sent once in the order of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.encoding import media_type_of
from ingest.errors import SourceError
from ingest.frame import MEDIA_TYPE_SUFFIXES
from ingest.sources.picture import EndlessSupply, Picture, part_id_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from threading import Event

IMAGE_SUFFIXES = frozenset([*MEDIA_TYPE_SUFFIXES.values(), ".jpeg", ".tif"])
#: Names that programs give to files they have not finished.
TEMPORARY_SUFFIXES = frozenset([".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp"])


def is_image_name(name: str) -> bool:
    """True for the name of a finished image: a known suffix, not hidden, not temporary."""
    _, *suffixes = name.lower().split(".")
    if name.startswith((".", "~")) or not suffixes:
        return False
    dotted = {f".{suffix}" for suffix in suffixes}
    return f".{suffixes[-1]}" in IMAGE_SUFFIXES and not dotted & TEMPORARY_SUFFIXES


def check_folder(folder: Path) -> None:
    """Raises SourceError if there is no such folder."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise SourceError(f"image folder {folder} {what}: give the path of a folder with images")


class Folder(EndlessSupply):
    """Every image of a folder (not of its sub-folders), once."""

    live = False

    def __init__(self, folder: Path) -> None:
        check_folder(folder)
        self.label = str(folder)
        self._folder = folder

    def pictures(self, stop: Event) -> Generator[Picture, None, None]:
        """The images, sorted by name; raises SourceError if there is none or one cannot be read."""
        paths = sorted(p for p in self._folder.iterdir() if is_image_name(p.name) and p.is_file())
        if not paths:
            suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
            raise SourceError(f"folder {self._folder} has no image: expected files in {suffixes}")
        for path in paths:
            if stop.is_set():
                return
            yield self._read(path)

    @staticmethod
    def _read(path: Path) -> Picture:
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise SourceError(f"cannot read {path}: {exc.strerror}") from exc
        return Picture(data, media_type_of(data, path.suffix), part_id_of(path))
