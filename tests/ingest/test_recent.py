"""The frames kept in case Redis loses them."""

from __future__ import annotations

from typing import Any

from ingest.recent import RecentFrames, Sent

MakeFrame = Any


def frames_of(sent: list[Sent] | None) -> list[Any]:
    assert sent is not None
    return [one.frame for one in sent]


def test_all_is_pushed_again_after_the_frame_that_is_known(make_frame: MakeFrame) -> None:
    recent = RecentFrames()
    frames = [make_frame() for _ in range(3)]
    for frame in frames:
        recent.add(frame, 0)

    assert recent.newest == str(frames[2].frame_id)
    assert frames_of(recent.after(str(frames[0].frame_id))) == frames[1:]
    assert frames_of(recent.after("")) == frames
    assert recent.after("another") is None


def test_no_more_bytes_are_kept_than_allowed_but_always_the_newest(make_frame: MakeFrame) -> None:
    recent = RecentFrames(kept_bytes=25)
    frames = [make_frame(size=10) for _ in range(4)]
    for frame in frames:
        recent.add(frame, 0)
    large = make_frame(size=100)

    assert frames_of(recent.all()) == frames[2:]
    assert frames_of(recent.after(str(frames[1].frame_id))) == frames[2:]
    recent.add(large, 0)
    assert frames_of(recent.all()) == [large]


def test_a_camera_that_sends_seldom_keeps_its_newest_frame(make_frame: MakeFrame) -> None:
    recent = RecentFrames(kept_s=0.0)
    frames = [make_frame() for _ in range(3)]
    for frame in frames:
        recent.add(frame, 0)

    assert frames_of(recent.all()) == frames[2:]
    assert frames_of(recent.after(str(frames[1].frame_id))) == frames[2:]


def test_a_frame_that_was_dropped_after_all_is_not_expected(make_frame: MakeFrame) -> None:
    recent = RecentFrames(kept_bytes=25)
    frames = [make_frame(size=10) for _ in range(2)]
    for frame in frames:
        recent.add(frame, 0)

    recent.remove(recent.all()[1])

    assert recent.newest == str(frames[0].frame_id)
    recent.add(make_frame(size=10), 0)
    assert len(recent.all()) == 2
