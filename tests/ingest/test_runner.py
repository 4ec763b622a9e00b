"""Many cameras in one process, against servers that come and go."""

from __future__ import annotations

import threading
import time
from threading import Event
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from ingest.camera import Camera, CameraConfig
from ingest.connection import connect
from ingest.doorbell import Doorbell
from ingest.errors import SourceError
from ingest.frame import from_fields
from ingest.runner import open_cameras, run_cameras
from ingest.sources.replay import Replay
from ingest.stream import FrameStream, FullPolicy, StreamLimits

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis

PNG = b"\x89PNG\r\n\x1a\n"


def config(camera: str, source: str = "replay", **changes: Any) -> CameraConfig:
    return CameraConfig(line="l1", camera=camera, source=source, **changes)


def replay_camera(redis: Redis, name: str, count: int, **changes: Any) -> Camera:
    source = Replay([(PNG + f"{name}-{n}".encode(), "image/png", None) for n in range(count)])
    return Camera(config(name, **changes), source, FrameStream(redis, "l1"), Doorbell(redis))


def test_finite_sources_end_and_are_counted_by_camera(redis_client: Redis) -> None:
    cameras = [replay_camera(redis_client, f"c{n}", 10 * (n + 1)) for n in range(3)]

    reports = run_cameras(cameras, Event())

    assert {name: report.sent for name, report in reports.items()} == {
        "l1/c0": 10,
        "l1/c1": 20,
        "l1/c2": 30,
    }
    assert FrameStream(redis_client, "l1").status().waiting == 60


def test_a_failing_camera_does_not_stop_the_others(
    redis_client: Redis, tmp_path: Path, closed_port: int
) -> None:
    (tmp_path / "video.mp4").write_bytes(b"no video")
    address = f"rtsp://user:SECRET@127.0.0.1:{closed_port}/1"
    configs = [
        config("broken", str(tmp_path / "video.mp4")),
        config("away", address, first_picture_timeout_s=0.3),
    ]
    cameras = open_cameras(configs, redis_client)

    well: list[bool] = []

    reports = run_cameras([*cameras, replay_camera(redis_client, "good", 20)], Event(), well.append)

    assert well[-1] is False
    assert reports["l1/good"].sent == 20
    assert reports["l1/good"].error is None
    assert "no readable frame" in str(reports["l1/broken"].error)
    assert "gave no picture within 0.3 s" in str(reports["l1/away"].error)
    assert "SECRET" not in str(reports)


def test_an_unexpected_failure_is_reported_too(
    redis_client: Redis, log_lines: list[dict[str, Any]]
) -> None:
    broken = replay_camera(redis_client, "broken", 1)
    redis_client.set("linewatch:l1:frames", "not a stream")
    try:
        reports = run_cameras([broken], Event())
    finally:
        redis_client.delete("linewatch:l1:frames")

    assert "WRONGTYPE" in str(reports["l1/broken"].error)
    assert any(line["event"] == "camera_failed" and line.get("exc_info") for line in log_lines)


def test_stop_ends_all_cameras(redis_client: Redis, tmp_path: Path) -> None:
    stop = Event()
    threading.Timer(0.3, stop.set).start()
    configs = [
        config(f"c{n}", str(folder), watch=True, settle_s=0.05)
        for n, folder in enumerate([tmp_path / "a", tmp_path / "b"])
        if folder.mkdir() is None
    ]
    started = time.monotonic()

    reports = run_cameras(open_cameras(configs, redis_client), stop)

    assert time.monotonic() - started < 2
    assert [r.error for r in reports.values()] == [None, None]


def test_a_camera_configured_twice_is_refused(redis_client: Redis, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="l1/c1 is configured twice"):
        open_cameras([config("c1", str(tmp_path))] * 2, redis_client)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such/place", "'no/such/place' does not exist: give a folder, a video file"),
        ("ftp://user:SECRET@host/x", "cannot read ftp:// addresses: use one of rtsp"),
    ],
)
def test_a_source_that_is_none_is_named(redis_client: Redis, source: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        open_cameras([config("c1", source)], redis_client)

    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "label"), [("0", "usb:0"), ("usb:2", "usb:2"), ("/dev/video1", "/dev/video1")]
)
def test_usb_cameras_are_told_by_index_or_path(
    redis_client: Redis, source: str, label: str
) -> None:
    (camera,) = open_cameras([config("c1", source)], redis_client)

    assert camera._source.label == label
    assert camera._source.live


def test_credentials_come_from_the_variables_that_are_named(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAM_PASSWORD", raising=False)
    camera = config("c1", "rtsp://host/1", username_env="CAM_USER", password_env="CAM_PASSWORD")
    monkeypatch.setenv("CAM_USER", "user")

    with pytest.raises(SourceError, match="l1/c1: environment variable CAM_PASSWORD is not set"):
        open_cameras([camera], redis_client)

    monkeypatch.setenv("CAM_PASSWORD", "SECRET")
    (opened,) = open_cameras([camera], redis_client)
    assert opened._source.label == "rtsp://***@host/1"


@pytest.mark.slow
def test_every_frame_arrives_though_the_server_is_killed_again_and_again(own_server: Any) -> None:
    client = connect(own_server.url, timeout_s=2)
    cameras = [replay_camera(client, f"c{n}", 400, max_fps=200) for n in range(2)]
    reports: dict[str, Any] = {}
    running = threading.Thread(target=lambda: reports.update(run_cameras(cameras, Event())))
    running.start()

    for _ in range(4):
        time.sleep(0.35)
        own_server.kill()
        time.sleep(0.1)
        own_server.start()
    running.join(30)

    images = []
    stream = FrameStream(client, "l1")
    while entries := stream.read("w", 100):
        images += [from_fields(e.fields).image for e in entries]
    expected = {PNG + f"c{n}-{i}".encode() for n in range(2) for i in range(400)}
    assert set(images) == expected
    assert len(images) == len(expected)  # pushed again where an answer was lost, stored once
    assert [r.sent for r in reports.values()] == [400, 400]
    client.close()


@pytest.mark.slow
def test_a_network_camera_fills_the_stream_and_never_waits(
    redis_client: Redis, mjpeg_camera: Any
) -> None:
    limits = StreamLimits(max_frames=5)
    cameras = open_cameras([config("c1", mjpeg_camera.url)], redis_client, limits)
    stop = Event()
    threading.Timer(1.5, stop.set).start()

    reports = run_cameras(cameras, stop)

    counts = FrameStream(redis_client, "l1").status().cameras["c1"]
    report = reports["l1/c1"]
    assert report.sent == counts.pushed > 20
    assert report.dropped == counts.dropped
    assert counts.pushed - (counts.dropped - report.skipped) == 5


@pytest.mark.slow
def test_memory_stays_flat(redis_client: Redis) -> None:
    image = PNG + bytes(200_000)
    limits = StreamLimits(max_frames=20)
    policy = FullPolicy.DROP_OLDEST

    def run(count: int) -> int:
        source = Replay((image + str(n).encode(), "image/png", None) for n in range(count))
        stream = FrameStream(redis_client, "l1", limits)
        Camera(config("c1", policy=policy), source, stream, Doorbell(redis_client)).run(Event())
        return int(psutil.Process().memory_info().rss)

    before = run(300)
    after = run(2000)

    assert after - before < 8 * 2**20  # 2,000 frames kept would be 400 MB
