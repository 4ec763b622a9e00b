"""The worker processes of one host, each started again if it dies, and ended if it hangs.

A process that hangs in native code hears no signal but those that kill, so this is seen to from
outside. Where it hung, its traceback says: Python writes one when it is aborted.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import structlog

from workers.heartbeat import Heartbeat, make_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger()

#: A process that lived this long counts as healthy: its next restart comes at once.
HEALTHY_AFTER_S = 30.0
MAX_PAUSE_S = 8.0
#: Pauses double up to this failure, by when they are longer than the longest.
MAX_DOUBLINGS = 4
#: Time a process that hangs has to write where.
ABORT_S = 2.0


@dataclass(slots=True)
class _Slot:
    """One place in the pool."""

    command: Sequence[str]
    heartbeat: Heartbeat
    process: subprocess.Popen[bytes]
    started_at: float
    failures: int = 0
    restart_at: float | None = None

    @property
    def can_work(self) -> bool:
        """Whether its process runs and is past its start."""
        return self.restart_at is None and self.heartbeat.is_ready


def _nobody_asks(_: bool) -> None:
    """Take note of nothing."""


def run_pool(
    command: Sequence[str],
    processes: int,
    *,
    stop: threading.Event | None = None,
    grace_s: float = 30.0,
    hang_limit_s: float = 60.0,
    turned: Callable[[bool], None] = _nobody_asks,
) -> None:
    """Keep `processes` copies of `command` running until SIGTERM, SIGINT or `stop`.

    Args:
        command: the argument list of one worker process; `--heartbeat FILE` is added.
        stop: set it to end the pool from another thread; then no signal handlers are installed.
        grace_s: time a process has to finish its batch before it is killed.
        hang_limit_s: a process at work whose heart has not beaten for so long is killed.
        turned: called with every look at the processes; says whether any can take work.
    """
    # A list: to set an event takes its lock, which this thread may hold when the signal comes.
    asked: list[int] = []
    if stop is None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: asked.append(number))
    with TemporaryDirectory(prefix="linewatch-pool-") as folder:
        slots = [_slot(command, Path(folder) / str(place)) for place in range(processes)]
        try:
            while not (asked or stop.wait(0.2)):
                for slot in slots:
                    _tend(slot, hang_limit_s)
                turned(any(slot.can_work for slot in slots))
        finally:
            _end([slot.process for slot in slots], grace_s)


def _slot(command: Sequence[str], file: Path) -> _Slot:
    own = [*command, "--heartbeat", str(file)]
    return _Slot(own, make_file(file), _start(own), time.monotonic())


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches the pool alone, which then asks each process once.
    return subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own command


def _tend(slot: _Slot, hang_limit_s: float) -> None:
    now = time.monotonic()
    if slot.restart_at is not None:
        if now >= slot.restart_at:
            slot.heartbeat.start()
            slot.process, slot.started_at, slot.restart_at = _start(slot.command), now, None
        return
    if slot.process.poll() is None:
        if slot.heartbeat.silent_s() <= hang_limit_s:
            return
        _abort(slot.process, slot.heartbeat.silent_s())
    code = slot.process.poll()
    slot.failures = 0 if now - slot.started_at > HEALTHY_AFTER_S else slot.failures + 1
    pause_s = min(2.0 ** min(slot.failures, MAX_DOUBLINGS) - 1, MAX_PAUSE_S)
    slot.restart_at = now + pause_s
    log.warning("worker.died", pid=slot.process.pid, exit_code=code, restart_in_s=pause_s)


def _abort(process: subprocess.Popen[bytes], silent_s: float) -> None:
    log.error("worker.hangs", pid=process.pid, silent_s=round(silent_s, 1))
    process.send_signal(signal.SIGABRT)
    try:
        process.wait(ABORT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end(processes: Sequence[subprocess.Popen[bytes]], grace_s: float) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + grace_s
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            log.warning("worker.killed", pid=process.pid, grace_s=grace_s)
            process.kill()
            process.wait()
