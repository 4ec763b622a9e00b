"""Training that is stopped by a signal, as a real process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click
import pytest

from linewatch.stopping import stopped_in_one_line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_with_a_line_and_its_exit_code(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)

    with pytest.raises(click.exceptions.Exit) as caught:
        signalled(number)

    assert caught.value.exit_code == code
    assert capsys.readouterr().err == "linewatch: stopped; go on\n"
    assert signal.getsignal(number) is before


def signalled(number: signal.Signals) -> None:
    with stopped_in_one_line(lambda: "go on"):
        os.kill(os.getpid(), number)
        time.sleep(5)  # never over: the signal comes first


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
    return subprocess.Popen(
        [sys.executable, "-m", "linewatch", *map(str, words)],
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
