"""A watched folder: finished files only, each once, whatever stops in between."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from ingest.errors import SourceError
from ingest.sources.watched_folder import WatchedFolder, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.sources.picture import Picture

SETTLE_S = 0.06
PNG = b"\x89PNG\r\n\x1a\n"


def watch(folder: Path) -> WatchedFolder:
    return WatchedFolder(folder, settle_s=SETTLE_S)


def collect(source: WatchedFolder, seconds: float = 0.25) -> list[Picture]:
    """What the source gives in this time, each picture sent at once."""
    stop = Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    found = []
    with closing(source.pictures(stop)) as pictures:
        for picture in pictures:
            found.append(picture)
            source.done(picture)
    timer.join()
    return found


def test_finished_images_are_sent_once_and_moved(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)

    pictures = collect(watch(tmp_path))

    assert [(p.part_id, p.content, p.media_type) for p in pictures] == [("a", PNG, "image/png")]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["done"]
    assert (tmp_path / "done" / "a.png").read_bytes() == PNG


def test_images_come_in_the_order_they_were_written(tmp_path: Path) -> None:
    for n, name in enumerate(["c", "a", "b"]):
        (tmp_path / f"{name}.png").write_bytes(PNG)
        os.utime(tmp_path / f"{name}.png", (1000 + n, 1000 + n))

    assert [p.part_id for p in collect(watch(tmp_path))] == ["c", "a", "b"]


@pytest.mark.slow
def test_a_slowly_written_file_is_sent_when_it_is_complete(tmp_path: Path) -> None:
    content = PNG + bytes(range(200))

    def write_slowly() -> None:
        with (tmp_path / "slow.png").open("wb") as file:
            for n in range(0, len(content), 16):
                file.write(content[n : n + 16])
                file.flush()
                time.sleep(0.1)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    # Much longer than a pause of the writer, so that a busy machine does not matter.
    pictures = collect(WatchedFolder(tmp_path, settle_s=0.5), 3)
    writer.join()

    assert [p.content for p in pictures] == [content]


def test_a_file_that_is_written_to_while_it_is_read_settles_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    read_bytes, read = type(path).read_bytes, []

    def read_and_be_overtaken(self: Path) -> bytes:
        data = read_bytes(self)
        if not read:
            self.write_bytes(PNG + b"more")
        read.append(data)
        return data

    monkeypatch.setattr(type(path), "read_bytes", read_and_be_overtaken)

    assert [p.content for p in collect(watch(tmp_path), 0.5)] == [PNG + b"more"]
    assert read == [PNG, PNG + b"more"]


def test_temporary_names_wait_for_their_renaming(tmp_path: Path) -> None:
    (tmp_path / "a.png.part").write_bytes(PNG)
    (tmp_path / ".b.png").write_bytes(PNG)
    assert collect(watch(tmp_path)) == []

    (tmp_path / "a.png.part").rename(tmp_path / "a.png")

    assert [p.part_id for p in collect(watch(tmp_path))] == ["a"]


@pytest.mark.slow
def test_an_empty_file_has_more_time_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()

    assert collect(watch(tmp_path), SETTLE_S * 5) == []
    assert [p.content for p in collect(watch(tmp_path), SETTLE_S * 16)] == [b""]


def test_a_picture_that_was_not_done_comes_again_as_the_same_frame(tmp_path: Path) -> None:
    # As after a crash between the push and the move to done/.
    (tmp_path / "a.png").write_bytes(PNG)
    source = watch(tmp_path)
    with closing(source.pictures(Event())) as pictures:
        first = next(pictures)

    (again,) = collect(watch(tmp_path))

    assert first.frame_id is not None
    assert again.frame_id == first.frame_id
    assert again.frame_id.version == 7


def test_another_file_of_the_same_name_is_another_frame_and_both_are_kept(tmp_path: Path) -> None:
    source = watch(tmp_path)
    frames = []
    for content in (PNG + b"1", PNG + b"2"):
        (tmp_path / "a.png").write_bytes(content)
        frames += collect(source)

    assert len({f.frame_id for f in frames}) == 2
    done = sorted(p.read_bytes() for p in (tmp_path / "done").iterdir())
    assert done == [PNG + b"1", PNG + b"2"]


def test_a_file_that_cannot_be_moved_is_not_sent_again(
    tmp_path: Path, log_lines: list[dict[str, Any]]
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    source = watch(tmp_path)
    (tmp_path / "done").rmdir()
    (tmp_path / "done").touch()  # a file where the folder was: moving fails

    pictures = collect(source)
    (tmp_path / "done").unlink()
    later = collect(source)

    assert (len(pictures), later) == (1, [])
    assert (tmp_path / "done" / "a.png").exists()
    assert [line["event"] for line in log_lines] == ["watched_folder_problem"]


def test_a_share_that_goes_and_comes_back_is_watched_again(
    tmp_path: Path, log_lines: list[dict[str, Any]]
) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    source = watch(folder)
    folder.rename(tmp_path / "gone")
    assert collect(source) == []

    (tmp_path / "gone").rename(folder)
    (folder / "a.png").write_bytes(PNG)

    assert len(collect(source)) == 1
    assert [line["event"] for line in log_lines] == ["watched_folder_problem"]


def test_a_folder_without_a_place_for_sent_images_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "done").touch()

    with pytest.raises(SourceError, match="make the folder writable for ingest"):
        watch(tmp_path)


def test_the_identity_of_a_file_is_that_of_its_state(tmp_path: Path) -> None:
    path, other = tmp_path / "a.png", tmp_path / "b.png"
    path.write_bytes(PNG)
    other.write_bytes(PNG)
    first = state_of(path)

    path.write_bytes(PNG + b"more")

    ids = {first.frame_id(path), first.frame_id(other), state_of(path).frame_id(path)}
    assert len(ids) == 3
