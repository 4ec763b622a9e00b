"""What the way through the system takes beside the model: against plain loops, in one run."""

from __future__ import annotations

import os
import statistics
import time
from threading import Event
from typing import TYPE_CHECKING

import psutil

from bench.model import frames, trained
from bench.plain_loop import Speed, plain_loops
from bench.plain_loop import run as run_plain
from bench.results import write
from bench.system import LINE, system, workers
from ingest.camera import Camera, CameraConfig
from ingest.doorbell import Doorbell
from ingest.runner import run_cameras
from ingest.sources.replay import Replay
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from linewatch import embedded
from workers.config import ScoringConfig

if TYPE_CHECKING:
    import subprocess

    from bench.system import System

#: Frames of one turn: short ones, so that loops and system meet the same moods of the machine.
FRAMES = 200
ROUNDS = 5
PROCESSES, THREADS = 2, 1
CAMERAS = ("left", "right")
DETECTORS = ("patchcore", "simplenet")
#: Loops try both: the model's own rate is that of the better one.
BATCHES = (1, ScoringConfig().max_batch)
#: As in the demo: cameras that are as fast as the workers.
LIMITS = StreamLimits(max_frames=12)
WANTED = 0.95


class Line:
    """A line that runs: cameras in this process, a server, workers."""

    def __init__(self, place: System, scoring: list[subprocess.Popen[bytes]]) -> None:
        self._place = place
        server = embedded.embedded_server(place.home).process()
        assert server is not None
        #: Whose time counts, by what they are.
        self._processes = {
            "workers": [psutil.Process(one.pid) for one in scoring],
            "server": [server],
            "cameras": [psutil.Process(os.getpid())],
        }
        #: Milliseconds of CPU a frame of the latest run.
        self.cpu_ms: dict[str, float] = {}

    def run(self, count: int) -> Speed:
        """Let the cameras show `count` frames in all; from the first push to the last verdict."""
        cells = [(data, kind, None) for data, kind in frames(count)]
        doorbell = Doorbell(self._place.redis)
        cameras = []
        for turn, name in enumerate(CAMERAS):
            config = CameraConfig(LINE, name, "cells", policy=FullPolicy.BLOCK, block_timeout_s=600)
            stream = FrameStream(self._place.redis, LINE, LIMITS)
            cameras.append(Camera(config, Replay(cells[turn :: len(CAMERAS)]), stream, doorbell))
        before, spent, started = self._place.rows(), self._spent_s(), time.perf_counter()
        run_cameras(cameras, Event())
        took = self._place.wait_for_rows(before + count, 120) - started
        self.cpu_ms = {
            name: (now - spent[name]) * 1e3 / count for name, now in self._spent_s().items()
        }
        return Speed(count / took, sum(self.cpu_ms.values()))

    def _spent_s(self) -> dict[str, float]:
        return {
            name: sum(sum(process.cpu_times()[:2]) for process in processes)
            for name, processes in self._processes.items()
        }


def shares(detector: str) -> dict[str, str]:
    """The figures of one detector, loops and line in turns."""
    model = trained(detector)
    plain: dict[int, list[Speed]] = {batch: [] for batch in BATCHES}
    whole: list[Speed] = []
    parts: list[dict[str, float]] = []
    with system() as place, plain_loops(model, PROCESSES, THREADS) as loops:
        place.register(model)
        with workers(place, PROCESSES, threads=THREADS) as scoring:
            line = Line(place, scoring)
            line.run(FRAMES)  # warms up
            for _ in range(ROUNDS):
                for batch, speeds in plain.items():
                    speeds.append(run_plain(loops, FRAMES, batch))
                whole.append(line.run(FRAMES))
                parts.append(line.cpu_ms)
    best = max(plain.values(), key=lambda speeds: statistics.median(x[0] for x in speeds))
    rates = sorted(a.frames_per_s / b.frames_per_s for a, b in zip(whole, best, strict=True))
    work = [b.cpu_ms_per_frame / a.cpu_ms_per_frame for a, b in zip(whole, best, strict=True)]
    rows = {f"plain loops, batches of {batch}": _in_words(found) for batch, found in plain.items()}
    rows |= {
        "system": _in_words(whole),
        "of it " + ", ".join(parts[0]): ", ".join(
            f"{statistics.median(part[name] for part in parts):.2f}" for name in parts[0]
        ) + " ms",
        "rate of the system / the better plain loops": (
            f"{statistics.median(rates):.2f}, {rates[0]:.2f} to {rates[-1]:.2f} "
            f"(wanted: at least {WANTED})"
        ),
        "CPU time of the better plain loops / the system's": f"{statistics.median(work):.2f}",
    }  # fmt: skip
    return {f"{detector}: {name}": value for name, value in rows.items()}


def _in_words(speeds: list[Speed]) -> str:
    rate = statistics.median(speed.frames_per_s for speed in speeds)
    cpu_ms = statistics.median(speed.cpu_ms_per_frame for speed in speeds)
    return f"{rate:.1f} frames/s, {cpu_ms:.2f} ms of CPU a frame"


def main() -> None:
    """Measure two detectors: the faster the model, the more the rest weighs."""
    rows: dict[str, str] = {}
    for detector in DETECTORS:
        rows |= shares(detector)
    write(
        "overhead",
        "The end-to-end rate (two cameras, Valkey, RQ workers, SQLite, image store) against the "
        "same model in plain loops (decode, score) over the same encoded frames, with as many "
        "processes and threads. Medians of the rounds; a ratio is formed within each.",
        "fast presets (tf_efficientnet_lite0, 256 px, seed 0) on elpv:mono cells, OpenVINO, "
        f"{PROCESSES} processes x {THREADS} thread, {ROUNDS} alternating rounds of {FRAMES} frames",
        rows,
    )
