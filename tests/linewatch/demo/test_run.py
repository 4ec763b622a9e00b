"""The whole demo: its figures, its second start, and that nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest

from linewatch import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

KEYS = [
    "frames_sent", "frames_scored", "frames_lost", "duplicates", "dropped", "image_auroc", "fps",
    "latency_ms_p50", "latency_ms_p99", "seconds_to_first_verdict", "detector", "backbone",
]  # fmt: skip


@pytest.fixture(scope="module")
def tiles(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of real tiles: 24 good ones to train on, 6 good and 6 with a blowhole to show."""
    folder = tmp_path_factory.mktemp("tiles")
    for name, count in (("train/good", 24), ("test/good", 6), ("test/blowhole", 6)):
        (folder / name).mkdir(parents=True)
        for path in sorted((shared_data / "magnetic_tile" / name).iterdir())[:count]:
            (folder / name / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for all, so that only the first demo trains."""
    home = tmp_path_factory.mktemp("home")
    yield home
    embedded.stop(home / "demo")  # a killed demo leaves its server to the next one


@pytest.fixture
def command(home: Path, tiles: Path) -> list[str]:
    words = ["demo", "--home", str(home), "--data", str(tiles), "--processes", "2"]
    return [sys.executable, "-m", "linewatch", *words]


def left_behind(home: Path) -> list[str]:
    """Every living process that works for the demo in `home`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            ours = process.environ().get("LINEWATCH_HOME") == str(home / "demo")
            if ours or process.cwd().startswith(str(home)):
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.1)


@pytest.fixture
def streaming(command: list[str], home: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A demo without end, with its dashboard, that has given its first verdicts."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    output = tmp_path / "output"
    with output.open("wb") as file:
        demo = subprocess.Popen(
            [*command, "--fps", "4", "--port", str(port)],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: b"(PASS" in output.read_bytes(), "a verdict")
        wait_until(lambda: answers(port), "the dashboard's answer")
        assert f"dashboard: http://127.0.0.1:{port}" in output.read_text()
        yield demo
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.wait()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def test_every_frame_gets_one_verdict_and_the_second_start_reuses_the_model(
    command: list[str], home: Path, tmp_path: Path
) -> None:
    figures_file = tmp_path / "demo.json"
    finite = [*command, "--no-dashboard", "--frames", "17", "--json", str(figures_file)]

    first = subprocess.run(finite, capture_output=True, text=True)
    second = subprocess.run(finite, capture_output=True, text=True)

    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    assert "training patchcore on the 24 good images" in first.stdout
    assert "using the model trained before" in second.stdout
    assert "training" not in second.stdout
    figures = json.loads(figures_file.read_text())
    assert list(figures) == KEYS
    assert (figures["frames_sent"], figures["frames_scored"]) == (17, 17)
    assert (figures["frames_lost"], figures["duplicates"], figures["dropped"]) == (0, 0, 0)
    assert 0 < figures["latency_ms_p50"] <= figures["latency_ms_p99"]
    assert 0 < figures["seconds_to_first_verdict"] < 120
    assert figures["image_auroc"] is not None
    assert left_behind(home) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_ends_everything(
    streaming: subprocess.Popen[bytes], home: Path, number: signal.Signals
) -> None:
    # Server, pool, two workers, scheduler, dashboard, trainer.
    assert len(left_behind(home)) == 7

    os.killpg(streaming.pid, number)

    assert streaming.wait(40) == 0
    assert left_behind(home) == []


def test_a_killed_demo_takes_its_children_along_and_the_next_one_runs(
    streaming: subprocess.Popen[bytes], command: list[str], home: Path
) -> None:
    streaming.kill()

    # The kernel tells the children; the server, a daemon, is taken over by the next demo.
    wait_until(
        lambda: all("valkey" in line for line in left_behind(home)), "the children's end", 40
    )
    done = subprocess.run([*command, "--no-dashboard", "--frames", "5"], capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_behind(home) == []


def test_a_second_demo_in_the_same_home_is_refused(
    streaming: subprocess.Popen[bytes], command: list[str]
) -> None:
    done = subprocess.run([*command, "--no-dashboard"], capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stderr.startswith("linewatch: a demo runs in ")
    assert done.stderr.count("\n") == 1
    assert streaming.poll() is None
