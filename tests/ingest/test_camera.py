"""A camera from its source into the stream."""

from __future__ import annotations

import threading
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingest.camera import Camera, CameraConfig
from ingest.doorbell import Doorbell
from ingest.encoding import Encoding
from ingest.frame import from_fields
from ingest.runner import open_cameras
from ingest.sources.picture import EndlessSupply, Picture
from ingest.sources.replay import Replay
from ingest.stream import FrameStream, FullPolicy, StreamLimits

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from redis import Redis

    from ingest.frame import Frame

PNG = b"\x89PNG\r\n\x1a\n"
ENCODED = [(PNG + bytes([n]), "image/png", f"part-{n}") for n in range(5)]


def config(**changes: Any) -> CameraConfig:
    return CameraConfig(**{"line": "l1", "camera": "c1", "source": "replay", **changes})


def camera_of(
    redis: Redis, source: Any, limits: StreamLimits | None = None, **changes: Any
) -> Camera:
    stream = FrameStream(redis, "l1", limits)
    return Camera(config(**changes), source, stream, Doorbell(redis))


def stored(redis: Redis) -> list[Frame]:
    return [from_fields(e.fields) for e in FrameStream(redis, "l1").read("w", 100)]


class Skipping(EndlessSupply):
    """A live source whose third picture stands for three."""

    label, live = "skipping", True

    def pictures(self, stop: Event) -> Generator[Picture, None, None]:
        for n in range(4):
            picture = np.full((4, 4), n, np.uint8)
            yield Picture(picture, skipped=2 if n == 2 else 0)


def test_pictures_become_frames_in_order(redis_client: Redis) -> None:
    report = camera_of(redis_client, Replay(ENCODED)).run(Event())

    frames = stored(redis_client)
    assert [(f.image, f.media_type, f.part_id) for f in frames] == ENCODED
    assert [f.sequence for f in frames] == [0, 1, 2, 3, 4]
    assert {(f.line, f.camera) for f in frames} == {("l1", "c1")}
    assert [f.captured_at for f in frames] == sorted(f.captured_at for f in frames)
    assert (report.sent, report.dropped, report.uninspected) == (5, 0, 0)


def test_every_frame_of_a_camera_carries_its_lot(redis_client: Redis) -> None:
    camera_of(redis_client, Replay(ENCODED[:1])).run(Event())
    camera_of(redis_client, Replay(ENCODED[:2]), lot_id="2026-W09 A").run(Event())

    assert [f.lot_id for f in stored(redis_client)] == [None, "2026-W09 A", "2026-W09 A"]


@pytest.mark.parametrize("lot_id", ["", "x" * 129, "a\nb", "a\0b"])
def test_a_lot_that_no_message_can_carry_is_refused(lot_id: str) -> None:
    with pytest.raises(ValueError, match=r"lot_id is .*use 1 to 128 printable"):
        config(lot_id=lot_id)


def test_arrays_are_encoded_as_configured(redis_client: Redis) -> None:
    camera_of(redis_client, Skipping(), encoding=Encoding.PNG).run(Event())

    assert {f.media_type for f in stored(redis_client)} == {"image/png"}


def test_skipped_pictures_of_a_live_camera_are_gaps_and_drops(redis_client: Redis) -> None:
    report = camera_of(redis_client, Skipping()).run(Event())

    assert [f.sequence for f in stored(redis_client)] == [0, 1, 4, 5]
    assert (report.sent, report.skipped, report.dropped) == (4, 2, 2)
    assert FrameStream(redis_client, "l1").status().cameras["c1"].dropped == 2


def test_skipped_pictures_of_a_blocking_camera_are_parts_that_were_not_inspected(
    redis_client: Redis,
) -> None:
    report = camera_of(redis_client, Skipping(), policy=FullPolicy.BLOCK).run(Event())

    frames = stored(redis_client)
    assert [f.sequence for f in frames] == [0, 1, 2, 3, 4, 5]
    assert [f.uninspected is not None for f in frames] == [False] * 2 + [True] * 2 + [False] * 2
    assert len({f.frame_id for f in frames}) == 6
    assert (report.sent, report.skipped, report.uninspected) == (4, 2, 2)


def test_a_picture_that_cannot_be_encoded_is_reported_and_the_next_goes_on(
    redis_client: Redis,
) -> None:
    source = Replay([ENCODED[0], (b"GIF89a", "image/gif", "bad"), ENCODED[1]])

    report = camera_of(redis_client, source).run(Event())

    frames = stored(redis_client)
    assert [f.part_id for f in frames] == ["part-0", "bad", "part-1"]
    assert frames[1].uninspected is not None
    assert "not a picture that can be decoded" in frames[1].uninspected
    assert (report.sent, report.uninspected) == (2, 1)


def test_a_replay_keeps_to_the_rate_asked_for(redis_client: Redis) -> None:
    camera_of(redis_client, Replay(ENCODED), max_fps=50).run(Event())

    times = [f.captured_at for f in stored(redis_client)]
    assert 0.08 <= (times[-1] - times[0]).total_seconds() < 0.5  # four intervals of 20 ms


def test_a_stopped_camera_ends(redis_client: Redis) -> None:
    stop = Event()
    camera = camera_of(redis_client, Replay(ENCODED, repeat=True), max_fps=100)
    thread = threading.Thread(target=camera.run, args=(stop,))
    thread.start()

    stop.set()
    thread.join(2)

    assert not thread.is_alive()


def test_a_watched_file_that_found_no_room_is_sent_at_the_next_start(
    redis_client: Redis, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    limits = StreamLimits(max_frames=1)
    camera_of(redis_client, Replay(ENCODED[:1]), limits).run(Event())
    stop = Event()
    threading.Timer(0.4, stop.set).start()
    watched = config(source=str(tmp_path), watch=True, settle_s=0.05, block_timeout_s=60)
    (first,) = open_cameras([watched], redis_client, limits)
    assert first.run(stop).unsent == 1
    stream = FrameStream(redis_client, "l1", limits)
    stream.acknowledge(stream.read("w", 1))

    again, stop = open_cameras([watched], redis_client, limits)[0], Event()
    threading.Timer(0.4, stop.set).start()
    report = again.run(stop)

    assert (report.sent, report.unsent) == (1, 0)
    assert [f.part_id for f in stored(redis_client)] == ["a"]
    assert (tmp_path / "done" / "a.png").exists()


def test_a_dropped_watched_file_counts_as_done(redis_client: Redis, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    limits = StreamLimits(max_frames=1)
    camera_of(redis_client, Replay(ENCODED[:1]), limits).run(Event())
    stop = Event()
    threading.Timer(0.4, stop.set).start()
    watched = config(source=str(tmp_path), watch=True, settle_s=0.05, policy=FullPolicy.DROP_OLDEST)

    report = open_cameras([watched], redis_client, limits)[0].run(stop)

    assert report.dropped == 1
    assert (tmp_path / "done" / "a.png").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"line": "line 4"}, "line name 'line 4': use 1 to 64 letters"),
        ({"camera": "-c"}, "camera name '-c'"),
        ({"source": ""}, "camera c1: source is empty: give a folder"),
        ({"quality": 0}, "camera c1: quality is 0: use 1 to 100"),
        ({"max_fps": 0}, "camera c1: max_fps is 0: use more than 0"),
        ({"block_timeout_s": -1}, "camera c1: block_timeout_s is -1: use 0 or more"),
        ({"silent_after_s": 0}, "camera c1: silent_after_s is 0: use more than 0"),
        ({"frozen_after_s": float("nan")}, "camera c1: frozen_after_s is nan: use more than 0"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(changes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_a_configuration_does_not_show_its_password() -> None:
    with_password = config(source="rtsp://user:SECRET@host/1")

    assert "SECRET" not in repr(with_password)
    assert with_password.source_shown == "rtsp://***@host/1"
