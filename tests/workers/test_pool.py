"""The pool of worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from workers import pool
from workers.heartbeat import make_file
from workers.pool import run_pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Writes its process id, then waits; `stubborn` ignores SIGTERM.
PROGRAM = """
import os, pathlib, signal, sys, time
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(pathlib.Path(sys.argv[1]) / str(os.getpid())).touch()
time.sleep(60)
"""


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def start_pool(folder: Path, stop: threading.Event, kind: str = "polite") -> threading.Thread:
    command = [sys.executable, "-c", PROGRAM, str(folder), kind]
    thread = threading.Thread(
        target=run_pool, args=(command, 2), kwargs={"stop": stop, "grace_s": 1.0}
    )
    thread.start()
    return thread


def wait_for_processes(folder: Path, count: int) -> list[int]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = sorted(int(p.name) for p in folder.iterdir())
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{count} processes wanted, {len(found)} started")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_process_that_dies_is_replaced(tmp_path: Path, stop: threading.Event) -> None:
    thread = start_pool(tmp_path, stop)
    first, _ = wait_for_processes(tmp_path, 2)

    os.kill(first, signal.SIGKILL)

    replaced = wait_for_processes(tmp_path, 3)
    assert sum(is_alive(pid) for pid in replaced) == 2
    stop.set()
    thread.join(10)
    assert not any(is_alive(pid) for pid in replaced)


@pytest.mark.slow
def test_a_process_that_ignores_the_request_to_stop_is_killed(
    tmp_path: Path, stop: threading.Event
) -> None:
    thread = start_pool(tmp_path, stop, "stubborn")
    pids = wait_for_processes(tmp_path, 2)

    stop.set()

    thread.join(10)
    assert not thread.is_alive()
    assert not any(is_alive(pid) for pid in pids)


#: Says that it works, then holds the interpreter's lock for a long time in native code.
HANGING_PROGRAM = """
import faulthandler, os, pathlib, re, sys
from workers.heartbeat import Heartbeat
faulthandler.enable()
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
Heartbeat(pathlib.Path(sys.argv[-1])).beat()
re.match("(a+)+$", "a" * 60 + "b")
"""


@pytest.mark.slow
def test_a_process_that_hangs_in_native_code_writes_where_and_is_replaced(
    tmp_path: Path, stop: threading.Event, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", HANGING_PROGRAM, str(tmp_path)]
    limits = {"stop": stop, "grace_s": 1.0, "hang_limit_s": 1.0}
    thread = threading.Thread(target=run_pool, args=(command, 1), kwargs=limits)

    thread.start()

    wait_for_processes(tmp_path, 2)
    stop.set()
    thread.join(10)
    assert not any(is_alive(int(file.name)) for file in tmp_path.iterdir())
    assert "in match" in capfd.readouterr().err


@pytest.mark.slow
def test_a_process_at_rest_may_be_silent(tmp_path: Path, stop: threading.Event) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), "polite"]
    limits = {"stop": stop, "grace_s": 1.0, "hang_limit_s": 0.1}
    thread = threading.Thread(target=run_pool, args=(command, 1), kwargs=limits)
    thread.start()
    wait_for_processes(tmp_path, 1)

    time.sleep(1.0)

    assert len(list(tmp_path.iterdir())) == 1
    stop.set()
    thread.join(10)


@pytest.mark.parametrize(("failures", "pause_s"), [(0, 1), (1, 3), (2, 7), (4, 8), (5_000, 8)])
def test_a_process_that_fails_for_days_is_restarted_every_few_seconds(
    failures: int, pause_s: float, tmp_path: Path
) -> None:
    process = subprocess.Popen(["false"])
    process.wait()
    heartbeat = make_file(tmp_path / "heartbeat")
    slot = pool._Slot(["false"], heartbeat, process, time.monotonic(), failures=failures)

    pool._tend(slot, hang_limit_s=60)

    assert slot.restart_at == pytest.approx(time.monotonic() + pause_s, abs=0.5)


@pytest.mark.slow
def test_a_signal_in_the_midst_of_waiting_ends_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    wait = threading.Condition.wait

    def interrupted(condition: threading.Condition, timeout: float | None = None) -> bool:
        # Whoever waits on an event holds its lock here.
        os.kill(os.getpid(), signal.SIGTERM)
        return wait(condition, timeout)

    monkeypatch.setattr(threading.Condition, "wait", interrupted)
    try:
        run_pool([sys.executable, "-c", "import time; time.sleep(60)"], 1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
