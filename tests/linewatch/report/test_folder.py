"""The report's folder: whole or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linewatch.errors import ReportError
from linewatch.report.folder import check_free, whole_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_there_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report"

    with whole_folder(target) as building:
        (building / "index.html").write_text("page")
        assert not target.exists()

    assert (target / "index.html").read_text() == "page"
    assert target.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in target.parent.iterdir()] == ["report"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with whole_folder(folder) as building:
            (building / "index.html").write_text("half a pa")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail(tmp_path / "below" / "report")

    assert list((tmp_path / "below").iterdir()) == []


def test_a_disk_that_refuses_is_told_with_the_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(ReportError, match=r"cannot write the report to .*report: No such file"),
        whole_folder(tmp_path / "below" / "report") as building,
    ):
        (building / "no such folder" / "index.html").write_text("page")

    assert list((tmp_path / "below").iterdir()) == []


def test_an_empty_folder_is_used_and_a_link_to_one_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    with whole_folder(tmp_path / "link") as building:
        (building / "index.html").write_text("page")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "index.html").read_text() == "page"


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")

    for taken in (tmp_path / "report", tmp_path / "file"):
        with pytest.raises(ReportError, match="exists already"):
            check_free(taken)

    assert (tmp_path / "report" / "notes.txt").read_text() == "mine"


def test_a_parent_that_is_a_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(ReportError, match="cannot write the report"):
        check_free(tmp_path / "file" / "report")
