"""Training that is stopped by a signal, as a real process."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from linewatch.stopping import stopped_in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Outcome


#: Signals itself in the middle of its work, and looks what it was before and is afterwards.
SIGNALLED = """
import os, signal, sys, time
from click.exceptions import Exit
from linewatch.stopping import stopped_in_one_line

number = int(sys.argv[1])
before = signal.getsignal(number)
try:
    with stopped_in_one_line(lambda: "go on"):
        os.kill(os.getpid(), number)
        time.sleep(5)  # never over: the signal comes first
except Exit as exc:
    print(signal.getsignal(number) is before)
    sys.exit(exc.exit_code)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_with_a_line_and_its_exit_code(
    number: signal.Signals, code: int
) -> None:
    # In a process of its own: this one may have native threads, and no stack for signals in them.
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(int(number))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (code, "linewatch: stopped; go on\n")
    assert done.stdout == "True\n"


def test_work_that_is_not_stopped_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with stopped_in_one_line(lambda: "go on"):
        pass

    assert capsys.readouterr().err == ""


def test_a_helper_that_a_library_forked_ends_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    fork = multiprocessing.get_context("fork")
    is_there = fork.Event()
    helper = fork.Process(target=lambda: (is_there.set(), time.sleep(60)))

    with stopped_in_one_line(lambda: "go on"):
        helper.start()
        assert is_there.wait(timeout=10)
        helper.terminate()
        helper.join(timeout=10)

    assert helper.exitcode == -signal.SIGTERM
    assert capfd.readouterr().err == ""


def started(*words: object) -> subprocess.Popen[str]:
    """A command line in a process of its own, which keeps its state at every occasion."""
    code = (
        "import models.checkpoint; models.checkpoint.INTERVAL_S = 0; "
        "from linewatch.cli import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_training_stopped_by_ctrl_c_leaves_nothing_and_says_so(
    shared_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "models" / "line4"
    train = started("train", shared_data / "cookie", "--detector", "patchcore", "--out", out)
    assert train.stderr is not None
    assert train.stderr.readline().startswith("features: ")

    train.send_signal(signal.SIGINT)
    printed, told = train.communicate(timeout=60)

    assert train.returncode == 130
    assert printed == ""
    assert told.splitlines()[-1] == (
        "linewatch: stopped; run the same command again to begin anew, nothing was kept"
    )
    assert "Traceback" not in told
    assert list(out.parent.iterdir()) == []


@pytest.mark.slow
def test_a_stopped_training_goes_on_with_the_same_command_and_no_other(
    linewatch: Callable[..., Outcome], shared_data: Path, tmp_path: Path
) -> None:
    out, unfinished = tmp_path / "line4", tmp_path / ".line4.unfinished"
    words = ["train", shared_data / "cookie", "--detector", "simplenet", "--out", out]
    # 25 images of 32 x 32 patches, 512 at once: 50 steps an epoch.
    for setting in ("hidden=32", "batch=512", "steps=600"):
        words += ["--set", setting]
    train = started(*words)
    while not unfinished.exists():
        assert train.poll() is None
        time.sleep(0.02)

    train.send_signal(signal.SIGTERM)
    _, told = train.communicate(timeout=60)

    assert train.returncode == 143
    assert told.splitlines()[-1] == "linewatch: stopped; run the same command again to go on"
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.glob("*line4*")] == [".line4.unfinished"]

    other = linewatch(*words, "--seed", 1)
    assert other.code == 2
    assert f"{unfinished} is an unfinished training with other images, settings, seed" in other.err

    resumed = linewatch(*words)
    assert resumed.code == 0, resumed.err
    first, *lines = resumed.err.splitlines()
    assert first == f"going on with the unfinished training in {unfinished}"
    begun = next(line for line in lines if line.startswith("discriminator: "))
    assert 50 < int(begun.split()[1]) < 600
    assert out.is_dir()
    assert not unfinished.exists()
