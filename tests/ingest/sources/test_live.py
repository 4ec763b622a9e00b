"""Live cameras over a real HTTP connection that freezes, falls silent, breaks and comes back."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingest.errors import CameraLost
from ingest.sources.devices import network_camera, usb_camera
from ingest.sources.latest import LatestPicture
from ingest.sources.live import LiveOptions
from ingest.sources.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

QUICK = LiveOptions(
    silent_after_s=0.5,
    frozen_after_s=0.4,
    first_picture_timeout_s=3,
    retry_initial_s=0.02,
    retry_max_s=0.2,
)


def until(condition: Callable[[], bool], pictures: Iterator[Picture], seconds: float = 8) -> None:
    """Take pictures until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        next(pictures)


def events(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


def take_in_background(camera: Any, stop: Event) -> tuple[list[Picture], threading.Thread]:
    taken: list[Picture] = []

    def take() -> None:
        with closing(camera.pictures(stop)) as pictures:
            taken.extend(pictures)

    thread = threading.Thread(target=take)
    thread.start()
    return taken, thread


def wait_for(condition: Callable[[], bool], seconds: float = 8) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_pictures_arrive_and_stop_ends_them(mjpeg_camera: Any) -> None:
    stop = Event()
    camera = network_camera(mjpeg_camera.url, QUICK)

    with closing(camera.pictures(stop)) as pictures:
        first, second = next(pictures), next(pictures)
        stop.set()
        rest = list(pictures)

    assert first.content.shape == (48, 64, 3)
    assert not np.array_equal(first.content, second.content)
    assert rest == []


def test_a_slow_taker_gets_fresh_pictures_and_the_count_of_the_skipped(mjpeg_camera: Any) -> None:
    with closing(network_camera(mjpeg_camera.url, QUICK).pictures(Event())) as pictures:
        next(pictures)
        next(pictures)
        time.sleep(0.4)  # some twenty pictures
        late = next(pictures)
        fresh = next(pictures)

    assert 5 <= late.skipped <= 40
    assert fresh.skipped <= 2


def test_a_rate_limit_leaves_pictures_out_without_counting_them(mjpeg_camera: Any) -> None:
    options = LiveOptions(max_fps=10, retry_initial_s=0.02)
    with closing(network_camera(mjpeg_camera.url, options).pictures(Event())) as pictures:
        next(pictures)
        started = time.monotonic()
        taken = [next(pictures) for _ in range(5)]
        took_s = time.monotonic() - started

    assert took_s > 0.4  # five pictures at 10 a second; the camera sends some 45
    assert sum(p.skipped for p in taken) == 0


def test_a_frozen_camera_is_connected_anew(
    mjpeg_camera: Any, log_lines: list[dict[str, Any]]
) -> None:
    with closing(network_camera(mjpeg_camera.url, QUICK).pictures(Event())) as pictures:
        next(pictures)
        mjpeg_camera.mode = "frozen"
        until(lambda: mjpeg_camera.connections >= 2, pictures)
        mjpeg_camera.mode = "live"
        until(lambda: "camera_back" in events(log_lines), pictures)

    lost = next(line for line in log_lines if line["event"] == "camera_lost")
    assert lost["reason"] == "the picture has not changed for 0.4 s"


def test_a_still_picture_is_fine_where_the_watchdog_is_off(mjpeg_camera: Any) -> None:
    mjpeg_camera.mode = "frozen"
    options = LiveOptions(frozen_after_s=None, silent_after_s=0.5)
    with closing(network_camera(mjpeg_camera.url, options).pictures(Event())) as pictures:
        deadline = time.monotonic() + 0.8
        while time.monotonic() < deadline:
            next(pictures)

    assert mjpeg_camera.connections == 1


def test_a_camera_that_falls_silent_is_connected_anew(mjpeg_camera: Any) -> None:
    stop = Event()
    taken, thread = take_in_background(network_camera(mjpeg_camera.url, QUICK), stop)
    wait_for(lambda: len(taken) > 2)
    mjpeg_camera.mode = "silent"
    wait_for(lambda: mjpeg_camera.connections >= 2)
    before = len(taken)

    mjpeg_camera.mode = "live"
    wait_for(lambda: len(taken) > before + 2)
    stop.set()
    thread.join(5)

    assert not thread.is_alive()


def test_a_camera_that_hangs_up_and_refuses_for_a_while_comes_back(
    mjpeg_camera: Any, log_lines: list[dict[str, Any]]
) -> None:
    stop = Event()
    taken, thread = take_in_background(network_camera(mjpeg_camera.url, QUICK), stop)
    wait_for(lambda: len(taken) > 2)
    mjpeg_camera.mode = "gone"
    mjpeg_camera.hang_up()
    wait_for(lambda: mjpeg_camera.connections >= 4)
    before = len(taken)

    mjpeg_camera.mode = "live"
    wait_for(lambda: len(taken) > before + 2)
    stop.set()
    thread.join(5)

    # One outage, however many tries: one line at its beginning and one at its end.
    assert events(log_lines) == ["camera_lost", "camera_back"]


def test_pauses_between_tries_grow(mjpeg_camera: Any) -> None:
    mjpeg_camera.mode = "gone"
    options = LiveOptions(first_picture_timeout_s=1, retry_initial_s=0.2)

    with pytest.raises(CameraLost):
        next(network_camera(mjpeg_camera.url, options).pictures(Event()))

    # At most 0.2, 0.4, 0.8 s between them; without pauses it would be hundreds.
    assert 2 <= mjpeg_camera.connections <= 12


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_closed_port_is_a_clear_error_in_bounded_time(
    scheme: str, closed_port: int, log_lines: list[dict[str, Any]]
) -> None:
    options = LiveOptions(first_picture_timeout_s=0.5)
    camera = network_camera(f"{scheme}://user:SECRET@127.0.0.1:{closed_port}/1", options)
    started = time.monotonic()

    with pytest.raises(CameraLost, match=r"\*\*\*@127\.0\.0\.1:\d+/1 gave no picture") as caught:
        next(camera.pictures(Event()))

    assert time.monotonic() - started < 3
    assert "check its address, its credentials and the network" in str(caught.value)
    assert "SECRET" not in str(caught.value) + str(log_lines)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_port_that_says_nothing_is_a_clear_error_in_bounded_time(
    scheme: str, silent_port: int, log_lines: list[dict[str, Any]]
) -> None:
    options = LiveOptions(first_picture_timeout_s=1.2)
    address = f"{scheme}://user:SECRET@127.0.0.1:{silent_port}/1"
    camera = network_camera(address, options, open_timeout_s=0.5)
    started = time.monotonic()

    with pytest.raises(CameraLost, match=r"no connection within 0\.5 s, or refused") as caught:
        next(camera.pictures(Event()))

    assert time.monotonic() - started < 5
    assert "SECRET" not in str(caught.value) + str(log_lines)


def test_no_address_reaches_stderr_past_our_log(closed_port: int) -> None:
    # In a process of its own: FFmpeg reads its log level once.
    program = f"""
from threading import Event
from ingest.sources.devices import network_camera, usb_camera
from ingest.sources.live import LiveOptions
options = LiveOptions(first_picture_timeout_s=0.3)
away = network_camera("rtsp://u:SECRET@127.0.0.1:{closed_port}/1", options)
for camera in (away, usb_camera(99, options)):
    try:
        next(camera.pictures(Event()))
    except Exception as exc:
        print(exc)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout.count("gave no picture within 0.3 s") == 2
    assert "SECRET" not in done.stdout
    assert done.stderr == ""


def test_a_missing_usb_camera_is_a_clear_error() -> None:
    options = LiveOptions(first_picture_timeout_s=0.3)

    with pytest.raises(CameraLost, match=r"/dev/video99 gave no picture .*no such device"):
        next(usb_camera("/dev/video99", options).pictures(Event()))


def test_credentials_of_an_address_reach_the_camera(mjpeg_camera: Any) -> None:
    mjpeg_camera.mode = "locked"
    address = mjpeg_camera.url.replace("://", "://line%204:a%40b@")

    with closing(network_camera(address, QUICK).pictures(Event())) as pictures:
        next(pictures)

    # base64 of "line 4:a@b"
    assert mjpeg_camera.headers[-1].get("Authorization") == "Basic bGluZSA0OmFAYg=="


def test_stop_ends_a_camera_that_is_not_there(closed_port: int) -> None:
    stop = Event()
    options = LiveOptions(first_picture_timeout_s=None)
    camera = network_camera(f"rtsp://127.0.0.1:{closed_port}/1", options)
    taken, thread = take_in_background(camera, stop)
    time.sleep(0.3)

    stop.set()
    thread.join(3)

    assert not thread.is_alive()
    assert taken == []


def test_the_latest_picture_counts_those_it_replaced() -> None:
    latest = LatestPicture()
    for n in range(4):
        latest.put(Picture(bytes([n])))

    first = latest.take(0)
    assert first is not None
    assert (first.content, first.skipped) == (b"\x03", 3)
    assert latest.take(0) is None
