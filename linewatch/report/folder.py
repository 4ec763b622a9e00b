"""The report's folder: refused early if taken, written all at once."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from linewatch.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_free(folder: Path) -> None:
    """Make sure a report can be written to `folder` later, before any work is done.

    Raises:
        ReportError: if something is there already, or its parent cannot be written to.
    """
    try:
        target = folder.resolve()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ReportError(f"{folder} exists already: choose another folder, or remove it first")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-"):
            pass
    except OSError as exc:
        raise _cannot_write(folder, exc) from exc


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill; it becomes `folder` if all goes well, and is removed otherwise.

    Raises:
        ReportError: if `folder` is taken, the disk is full or not writable.
    """
    check_free(folder)
    # A link to an empty folder is followed: a folder cannot be renamed onto the link itself.
    target = folder.resolve()
    try:
        building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            yield building
            building.chmod(0o755)  # a temporary folder is closed to other accounts
            building.rename(target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as exc:
        raise _cannot_write(folder, exc) from exc


def _cannot_write(folder: Path, exc: OSError) -> ReportError:
    return ReportError(
        f"cannot write the report to {folder}: {exc.strerror or exc}; "
        "free space, or choose another folder"
    )
