"""Signs of life, given and seen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from linewatch import life_sign as module
from linewatch.life_sign import FOLDER, LifeSign, life_sign, signs_here

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def age(folder: Path, seconds: float) -> None:
    """Let the one sign in it be as old as that; below 0: from the future."""
    [file] = (folder / FOLDER).iterdir()
    at = time.time() - seconds
    os.utime(file, (at, at))


def test_a_process_is_starting_until_its_loop_turns_and_gone_after_its_end(tmp_path: Path) -> None:
    with life_sign(tmp_path, "worker") as sign:
        [at_first] = signs_here(tmp_path)
        sign.turn(False)
        [waiting] = signs_here(tmp_path)
        sign.turn()
        [turning] = signs_here(tmp_path)

    assert (at_first.process, at_first.pid, at_first.live) == ("worker", os.getpid(), True)
    assert (at_first.ready, waiting.ready, turning.ready) == (False, False, True)
    assert signs_here(tmp_path) == []


def test_a_loop_that_does_not_turn_is_not_live_whatever_the_clock_does(tmp_path: Path) -> None:
    with life_sign(tmp_path, "worker"):
        for seconds in (31, -3600):  # the clock was put back by an hour since
            age(tmp_path, seconds)
            [seen] = signs_here(tmp_path)
            assert not seen.live


def test_the_next_turn_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 0.0)
    with life_sign(tmp_path, "ingest") as sign:
        sign.turn()
        age(tmp_path, 300)
        sign.turn()

        [seen] = signs_here(tmp_path)

    assert seen.live
    assert seen.silent_s < 5


def test_a_killed_process_is_seen_and_its_sign_removed_by_the_next(tmp_path: Path) -> None:
    program = "import os, pathlib, sys; from linewatch.life_sign import life_sign\n"
    program += "with life_sign(pathlib.Path(sys.argv[1]), 'worker'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)

    [seen] = signs_here(tmp_path)
    assert not seen.exists
    assert not seen.live
    with life_sign(tmp_path, "worker"):
        assert [sign.pid for sign in signs_here(tmp_path)] == [os.getpid()]


def test_other_hosts_that_share_the_home_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    young = tmp_path / FOLDER / "worker@elsewhere@1"
    old = tmp_path / FOLDER / "worker@replaced@1"
    young.touch()
    old.touch()
    os.utime(old, (1, 1))

    with life_sign(tmp_path, "worker"):
        assert len(signs_here(tmp_path)) == 1
    assert young.exists()
    assert not old.exists()


def test_a_sign_that_cannot_be_given_does_not_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sign = LifeSign(tmp_path / "sign")
    monkeypatch.setattr(module, "INTERVAL_S", 0.0)
    os.close(sign._descriptor)

    sign.turn()
    sign.turn()
