"""What is no whole backup is refused, before anything is written."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from linewatch.backup.archive import MANIFEST, ArchiveReader
from linewatch.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_half_a_backup_is_refused(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: round(len(whole) * share)])

    with pytest.raises(BackupError, match="not whole"):
        ArchiveReader(saved)


def test_a_changed_byte_is_noticed_wherever_it_is(saved: Path) -> None:
    whole = saved.read_bytes()
    with tarfile.open(saved) as tar:
        places = [(m.name, m.offset_data, m.size) for m in tar if m.name != MANIFEST and m.size]
    for name, start, size in places:
        changed = bytearray(whole)
        changed[start + size // 2] ^= 1
        saved.write_bytes(changed)
        with pytest.raises(BackupError, match="changed"):
            ArchiveReader(saved)
        assert name


def rewritten(file: Path, change: Callable[[tarfile.TarInfo, bytes], list[Any]]) -> None:
    """Write the archive anew, each member as `change` says."""
    with tarfile.open(file) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    with tarfile.open(file, "w") as tar:
        for info, data in members:
            for changed, new in change(info, data):
                changed.size = len(new)
                tar.addfile(changed, io.BytesIO(new))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../etc/cron.d/x", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("models/1/../../x", tarfile.REGTYPE),
        ("models/1/.hidden", tarfile.REGTYPE),
        ("models/1//x", tarfile.REGTYPE),
        ("images/aa/x.png", tarfile.REGTYPE),
        ("database/Users.jsonl.gz", tarfile.REGTYPE),
        ("models/1/link", tarfile.SYMTYPE),
        ("models/1/hard", tarfile.LNKTYPE),
        ("models/1/pipe", tarfile.FIFOTYPE),
        ("models/1/device", tarfile.CHRTYPE),
        ("models/1/folder", tarfile.DIRTYPE),
    ],
)
def test_what_no_backup_holds_is_refused(saved: Path, name: str, kind: bytes) -> None:
    def change(info: tarfile.TarInfo, data: bytes) -> list[Any]:
        if info.name != MANIFEST:
            return [(info, data)]
        other = tarfile.TarInfo(name)
        other.type, other.linkname = kind, "/etc/passwd"
        return [(other, b""), (info, data)]

    rewritten(saved, change)

    with pytest.raises(BackupError):
        ArchiveReader(saved)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"format": 1', b'"format": 2', "format 2"),
        (b'"format": 1', b'"format": []', "manifest cannot be read"),
        (b'"format": 1', b'"format": 1, "more": 1 ]', "manifest cannot be read"),
        (b'"line-1"', b'"../../x"', "names no model"),
        (b'"v1"', b'"../v1"', "names no model"),
    ],
)
def test_a_manifest_that_lies_is_refused(saved: Path, old: bytes, new: bytes, said: str) -> None:
    rewritten(
        saved,
        lambda info, data: [(info, data.replace(old, new) if info.name == MANIFEST else data)],
    )

    with pytest.raises(BackupError, match=said):
        ArchiveReader(saved)
