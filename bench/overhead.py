"""The end-to-end rate as a share of the rate of the same model in a plain loop, in one run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.model import trained
from bench.results import write

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


def demo_rate(home: Path) -> float:
    """Frames/s of `linewatch demo`, from first push to last verdict."""
    figures = home / "figures.json"
    command = [sys.executable, "-m", "linewatch", "demo", "--no-dashboard", "--home", str(home)]
    command += ["--frames", str(FRAMES), "--json", str(figures)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return float(json.loads(figures.read_text())["fps"])


def main() -> None:
    """Alternate the three, so that a change in the machine's mood meets all."""
    model = trained()
    one, two, whole = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            one.append(plain_rate(model, 1, 2))
            two.append(plain_rate(model, 2, 1))
            whole.append(demo_rate(Path(folder)))
    a, b, c = map(statistics.median, (one, two, whole))
    write(
        "overhead",
        "The demo's end-to-end rate (two cameras, Valkey, two RQ workers, SQLite, image store) "
        "against the same model in a plain loop (decode, score) over the same encoded frames.",
        "PatchCore fast (tf_efficientnet_lite0, 256 px, seed 0) on elpv:mono cells, OpenVINO, "
        f"{FRAMES} frames, median of {ROUNDS} alternating rounds, plain loops in batches of 16",
        {
            "plain loop, 1 process x 2 threads": f"{a:.1f} frames/s",
            "plain loops, 2 processes x 1 thread": f"{b:.1f} frames/s",
            "demo, 2 workers x 1 thread": f"{c:.1f} frames/s",
            "demo / plain loop of 2 threads": f"{c / a:.2f} (wanted: at least 0.90)",
            "demo / two plain loops": f"{c / b:.2f}",
        },
    )
