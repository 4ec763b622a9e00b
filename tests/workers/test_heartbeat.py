"""A worker's sign of life."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from workers.heartbeat import Heartbeat, make_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_heartbeat_is_at_rest(tmp_path: Path) -> None:
    assert make_file(tmp_path / "heart").silent_s() == 0.0


def test_silence_is_counted_from_the_last_beat_of_another_process(tmp_path: Path) -> None:
    watched = make_file(tmp_path / "heart")
    beat = "import pathlib, sys; from workers.heartbeat import Heartbeat; "
    beat += "Heartbeat(pathlib.Path(sys.argv[1])).beat()"

    subprocess.run([sys.executable, "-c", beat, str(tmp_path / "heart")], check=True)
    time.sleep(0.05)

    assert 0.05 <= watched.silent_s() < 10


def test_at_rest_silence_means_nothing(tmp_path: Path) -> None:
    watched = make_file(tmp_path / "heart")
    worker = Heartbeat(tmp_path / "heart")
    worker.beat()

    worker.rest()

    assert watched.silent_s() == 0.0
