"""The end-to-end rate as a share of the rate of the same model in a plain loop, in one run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.model import frames, trained
from bench.results import write
from bench.system import LINE, system, workers
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from workers.config import ScoringConfig

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 1_500
ROUNDS = 3


def plain_rate(model: Path, processes: int, threads: int) -> float:
    """Frames/s of `processes` plain loops side by side."""
    command = [sys.executable, "-m", "bench.plain_loop", str(model), str(threads)]
    count = FRAMES // processes
    loops = [
        subprocess.Popen(
            [*command, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for loop in loops:
        assert loop.stdout is not None
        while loop.stdout.readline().strip() != "ready":
            pass
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write("\n")
        loop.stdin.flush()
    return sum(float(loop.communicate()[0]) for loop in loops)


def system_rate(model: Path) -> float:
    """Frames/s from first push to last commit, two scoring processes of one thread."""
    cells = frames(FRAMES)
    with system() as place:
        place.register(model)
        with workers(place, 2, ScoringConfig(pass_image_interval_s=1.0)):
            stream = FrameStream(place.redis, LINE, StreamLimits(max_frames=64))
            doorbell = Doorbell(place.redis)
            started = time.perf_counter()
            for sequence, (data, media_type) in enumerate(cells):
                frame = Frame.capture(LINE, "camera", sequence, data, media_type)
                while not (pushed := stream.push(frame, FullPolicy.BLOCK)).accepted:
                    time.sleep(0.02)
                if pushed.ring:
                    doorbell.call_worker(LINE)
            return FRAMES / (place.wait_for_rows(FRAMES, 300) - started)


def main() -> None:
    """Alternate the three, so that a change in the machine's mood meets all."""
    model = trained()
    one, two, whole = [], [], []
    for _ in range(ROUNDS):
        one.append(plain_rate(model, 1, 2))
        two.append(plain_rate(model, 2, 1))
        whole.append(system_rate(model))
    a, b, c = map(statistics.median, (one, two, whole))
    write(
        "overhead",
        "End-to-end rate (camera, Valkey, RQ workers, SQLite, image store) against the same model "
        "in a plain loop (decode, score in batches of 16) over the same encoded frames.",
        f"PatchCore fast (tf_efficientnet_lite0, 256 px, seed 0) on elpv:mono cells, OpenVINO, "
        f"{FRAMES} frames, median of {ROUNDS} rounds; workers: 2 processes x 1 thread",
        {
            "plain loop, 1 process x 2 threads": f"{a:.1f} frames/s",
            "plain loops, 2 processes x 1 thread": f"{b:.1f} frames/s",
            "end to end": f"{c:.1f} frames/s",
            "end to end / one plain loop": f"{c / a:.2f} (wanted: at least 0.90)",
            "end to end / two plain loops": f"{c / b:.2f}",
        },
    )
