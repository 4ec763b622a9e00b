"""A folder sent once: every image, in order, untouched."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import pytest

from ingest.errors import SourceError
from ingest.sources.folder import Folder, is_image_name
from ingest.sources.picture import part_id_of

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"


def test_images_come_once_sorted_with_their_names_as_parts(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.bmp"):
        (tmp_path / name).write_bytes(PNG + name.encode())
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "d.png").mkdir()

    pictures = list(Folder(tmp_path).pictures(Event()))

    assert [p.part_id for p in pictures] == ["a", "b", "c"]
    assert pictures[1].content == PNG + b"b.png"
    assert {p.media_type for p in pictures} == {"image/png"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", True),
        ("a.b.JPEG", True),
        (".a.png", False),
        ("~a.png", False),
        ("a.png.part", False),
        ("a.tmp.png", False),
        ("a", False),
        ("png", False),
        ("a.gif", False),
    ],
)
def test_hidden_temporary_and_foreign_names_are_no_images(name: str, expected: bool) -> None:
    assert is_image_name(name) is expected


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere does not exist: give the path"):
        Folder(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SourceError, match="file is not a folder"):
        Folder(tmp_path / "file")


def test_a_folder_without_images_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no image: expected files in \.bmp, \.jpeg"):
        next(Folder(tmp_path).pictures(Event()))


def test_a_file_that_goes_in_the_meantime_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").touch()
    pictures = Folder(tmp_path).pictures(Event())
    next(pictures)
    (tmp_path / "b.png").unlink()

    with pytest.raises(SourceError, match=r"cannot read .*b\.png: No such file"):
        next(pictures)


def test_a_part_id_fits_the_message(tmp_path: Path) -> None:
    assert part_id_of(tmp_path / "part.7.png") == "part.7"
    assert part_id_of(tmp_path / ("x" * 200 + ".png")) == "x" * 128
    assert part_id_of(tmp_path / "a\udcff.png") == "a?"
