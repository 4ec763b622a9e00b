"""Video files: real MP4, every frame, at its rate or faster."""

from __future__ import annotations

import time
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from ingest.errors import SourceError
from ingest.sources.video_file import VideoFile

if TYPE_CHECKING:
    from pathlib import Path


def test_every_frame_comes_in_order(make_video: Any) -> None:
    pictures = list(VideoFile(make_video(10), realtime=False).pictures(Event()))

    # The n-th frame was painted 10 n; MPEG-4 is off by a few.
    means = [float(p.content.mean()) for p in pictures]
    assert means == pytest.approx([10 * n for n in range(10)], abs=4.9)
    assert pictures[0].content.shape == (48, 64, 3)


def test_realtime_keeps_to_the_files_frame_rate(make_video: Any) -> None:
    started = time.monotonic()

    count = sum(1 for _ in VideoFile(make_video(10, fps=50)).pictures(Event()))

    # Nine intervals of 20 ms at least.
    assert count == 10
    assert 0.18 <= time.monotonic() - started < 1


def test_a_loop_begins_again(make_video: Any) -> None:
    source = VideoFile(make_video(3), realtime=False, loop=True)

    assert sum(1 for _ in islice(source.pictures(Event()), 7)) == 7


def test_stop_ends_a_video(make_video: Any) -> None:
    stop = Event()
    pictures = VideoFile(make_video(10), realtime=False, loop=True).pictures(stop)
    next(pictures)

    stop.set()

    assert list(pictures) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no\.mp4 does not exist"):
        VideoFile(tmp_path / "no.mp4")


@pytest.mark.parametrize("content", [b"", b"this is no video" * 100])
def test_a_file_that_is_no_video_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)

    with pytest.raises(SourceError, match="no readable frame: check that it plays"):
        next(VideoFile(path).pictures(Event()))


def test_a_truncated_video_gives_what_it_holds(make_video: Any) -> None:
    path = make_video(10)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])

    # MP4 keeps its index at the end: without it nothing can be read.
    with pytest.raises(SourceError, match="no readable frame"):
        list(VideoFile(path, realtime=False).pictures(Event()))
