"""`linewatch health`, on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from linewatch import health
from linewatch.commands.health import PROCESSES
from linewatch.life_sign import FOLDER, LIMITS_S, life_sign
from tests.dashboard.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.linewatch.conftest import Outcome

ROOT = Path(__file__).parents[2]


def test_every_process_is_judged_one_way_or_the_other() -> None:
    assert set(PROCESSES) == set(health.NEEDS) == set(LIMITS_S) | set(health.SERVERS)


def test_nothing_that_runs_is_not_well(linewatch: Callable[..., Outcome], tmp_path: Path) -> None:
    for words in ((), ("scheduler",)):
        outcome = linewatch("health", *words, "--home", tmp_path)
        assert outcome.code == 1
        assert "runs on this host" in outcome.err

    port = free_port()
    outcome = linewatch("health", "metrics", "--host", "127.0.0.1", "--port", port)
    assert outcome.code == 1
    assert "does not answer" in outcome.err


def test_a_hanging_process_is_named_with_its_silence(
    linewatch: Callable[..., Outcome], tmp_path: Path
) -> None:
    with life_sign(tmp_path, "worker") as sign:
        sign.turn()
        assert linewatch("health", "--home", tmp_path).code == 0
        [file] = (tmp_path / FOLDER).iterdir()
        os.utime(file, (time.time() - 45, time.time() - 45))

        outcome = linewatch("health", "worker", "--home", tmp_path)

    assert outcome.code == 1
    assert f"worker {os.getpid()}: hangs: no sign for 45 s, 30 are the limit" in outcome.err


@pytest.fixture
def home(tmp_path: Path, linewatch: Callable[..., Outcome]) -> Path:
    """A home with a database."""
    linewatch("db", "upgrade", "--home", tmp_path)
    return tmp_path


def start(home: Path, redis_url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "linewatch", *words, "--home", str(home), "--redis-url", redis_url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_until_well(
    linewatch: Callable[..., Outcome], process: subprocess.Popen[str], *words: object
) -> Outcome:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        outcome = linewatch("health", *words)
        if outcome.code == 0:
            return outcome
        time.sleep(0.1)
    raise AssertionError(outcome.err)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["worker", "trainer", "scheduler", "ingest"])
def test_a_process_that_runs_is_ready_and_one_that_is_stopped_hangs(
    kind: str, home: Path, redis_url: str, linewatch: Callable[..., Outcome]
) -> None:
    (home / "pictures").mkdir()
    camera = f'[[cameras]]\nline="a"\nname="b"\nsource="{home}/pictures"\nwatch=true\n'
    (home / "linewatch.toml").write_text(camera)
    quick = {"worker": ["--processes", "1"], "scheduler": ["--sweep-interval-s", "1"]}
    process = start(home, redis_url, kind, *quick.get(kind, []))
    try:
        where = ("--home", home)
        wait_until_well(linewatch, process, kind, "--ready", *where)
        process.send_signal(signal.SIGSTOP)  # as good as a main loop that hangs
        [file] = (home / FOLDER).iterdir()
        late = time.time() - LIMITS_S[kind] - 1
        os.utime(file, (late, late))
        hanging = linewatch("health", kind, *where)
        process.send_signal(signal.SIGCONT)
        wait_until_well(linewatch, process, kind, *where) if kind != "trainer" else None
        process.terminate()
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()

    assert hanging.code == 1
    assert "hangs" in hanging.err
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert list((home / FOLDER).iterdir()) == []


@pytest.mark.slow
def test_servers_are_well_when_they_answer(
    home: Path, redis_url: str, linewatch: Callable[..., Outcome]
) -> None:
    for kind in ("metrics", "dashboard"):
        port = str(free_port())
        process = start(home, redis_url, kind, "--port", port)
        try:
            outcome = wait_until_well(
                linewatch, process, kind, "--ready", "--home", home, "--port", port
            )
            process.terminate()
            process.communicate(timeout=30)
        finally:
            process.kill()
        assert "answers at http://127.0.0.1" in outcome.out
        assert process.returncode in (0, -signal.SIGTERM)  # Streamlit's server ends by the signal
