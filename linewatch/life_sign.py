"""A process's sign of life: a file in home that its main loop touches.

No thread of its own does it: that would go on where the loop hangs. Touching a file needs no room
on the disk, and looking at it, as `linewatch health` does, neither Redis nor the database, so that
it can tell a process that hangs from one that waits for them. Its name holds the host, since
containers may share a home.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = structlog.get_logger()

FOLDER = "health"
#: Seconds without a sign after which a process counts as hanging. RQ's loops turn every 45 s where
#: there is nothing to do, the others several times a second.
LIMITS_S = {"ingest": 30, "worker": 30, "trainer": 120, "scheduler": 120}
#: The file is touched at most this often.
INTERVAL_S = 1.0
#: Signs of hosts that are gone, such as containers of last week, are removed.
FORGOTTEN_S = 24 * 3600
_STARTING, _READY = b"starting", b"ready   "


class LifeSign:
    """This process's own."""

    def __init__(self, file: Path) -> None:
        """Make `file`: a process that starts."""
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(self._descriptor, _STARTING)
        self._written = _STARTING
        self._touched_at = time.monotonic()
        self._is_troubled = False

    def turn(self, ready: bool = True) -> None:
        """Say that the main loop turned, and whether the process can do its work.

        Costs nothing most times, and never fails: a sign that cannot be given is missed by others.
        """
        now, words = time.monotonic(), _READY if ready else _STARTING
        if words == self._written and now - self._touched_at < INTERVAL_S:
            return
        try:
            if words != self._written:
                os.pwrite(self._descriptor, words, 0)
            os.utime(self._descriptor)
        except OSError as exc:
            if not self._is_troubled:
                log.warning("life_sign.not_given", reason=exc.strerror)
            self._is_troubled = True
        else:
            self._is_troubled = False
        self._written, self._touched_at = words, now


@contextmanager
def life_sign(home: Path, process: str) -> Iterator[LifeSign]:
    """The sign of a process of this kind, for as long as it runs; then none is left."""
    folder = home / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear(folder)
    file = folder / f"{process}@{socket.gethostname()}@{os.getpid()}"
    try:
        yield LifeSign(file)
    finally:
        with suppress(OSError):
            file.unlink()


@dataclass(frozen=True, slots=True)
class Seen:
    """A sign of life as somebody else sees it."""

    process: str
    pid: int
    silent_s: float
    #: Past its start, and able to work as far as it knows.
    ready: bool
    #: Whether there is such a process at all.
    exists: bool

    @property
    def live(self) -> bool:
        """The main loop turned lately."""
        return self.exists and self.silent_s <= LIMITS_S[self.process]


def signs_here(home: Path) -> list[Seen]:
    """The signs that processes of this host left in `home`."""
    found = []
    for file in sorted((home / FOLDER).glob(f"*@{socket.gethostname()}@*")):
        with suppress(OSError, ValueError):  # it ended just now, or is nobody's
            found.append(_look(file))
    return [sign for sign in found if sign.process in LIMITS_S]


def _look(file: Path) -> Seen:
    process, _, pid = file.name.split("@")
    # Either way: after the clock was put back, a sign from before lies in the future.
    silent_s = abs(time.time() - file.stat().st_mtime)
    ready = file.read_bytes() == _READY
    return Seen(process, int(pid), silent_s, ready, _exists(int(pid)))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _clear(folder: Path) -> None:
    """Remove the signs of processes that were killed."""
    here = f"@{socket.gethostname()}@"
    for file in folder.glob("*@*@*"):
        with suppress(OSError, ValueError):
            dead = here in file.name and not _exists(int(file.name.rpartition("@")[2]))
            if dead or time.time() - file.stat().st_mtime > FORGOTTEN_S:
                file.unlink()
