"""Score encoded frames in plain loops side by side, a process each: what the model can do alone."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.model import frames
from models.images import decode
from models.scorer import load_scorer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Loops = Sequence[subprocess.Popen[str]]


class Speed(NamedTuple):
    """How fast frames went through."""

    frames_per_s: float
    #: Of all cores together.
    cpu_ms_per_frame: float


@contextmanager
def plain_loops(model: Path, processes: int, threads: int) -> Iterator[Loops]:
    """Loops that are ready, for `run`."""
    command = [sys.executable, "-m", "bench.plain_loop", str(model), str(threads)]
    pipe = subprocess.PIPE
    loops = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(processes)
    ]
    try:
        for loop in loops:
            while _answer(loop) != "ready":
                pass
        yield loops
    finally:
        for loop in loops:
            loop.communicate()  # their input ends, and so do they


def run(loops: Loops, count: int, batch: int) -> Speed:
    """Score `count` frames in all, in batches of `batch`."""
    for loop in loops:  # all begin at once
        assert loop.stdin is not None
        loop.stdin.write(f"{count // len(loops)} {batch}\n")
        loop.stdin.flush()
    speeds = [Speed(*map(float, _answer(loop).split())) for loop in loops]
    cpu_ms = sum(speed.cpu_ms_per_frame for speed in speeds) / len(speeds)
    return Speed(sum(speed.frames_per_s for speed in speeds), cpu_ms)


def _answer(loop: subprocess.Popen[str]) -> str:
    assert loop.stdout is not None
    line = loop.stdout.readline()
    if not line:
        raise RuntimeError(f"a plain loop ended with exit code {loop.wait()}")
    return line.strip()


def main() -> None:
    """Arguments: model folder, threads; then a line "frames batch" for every run."""
    scorer = load_scorer(Path(sys.argv[1]), threads=int(sys.argv[2]))
    scorer.score([decode(data) for data, _ in frames(4)])
    print("ready", flush=True)
    for line in sys.stdin:
        count, batch = map(int, line.split())
        cells = frames(count)
        started, cpu = time.perf_counter(), time.process_time()
        for first in range(0, count, batch):
            scores = scorer.score([decode(data) for data, _ in cells[first : first + batch]])
            assert len(scores.anomaly_maps) == len(scores.image_scores)
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
        print(count / took, cpu * 1e3 / count, flush=True)


if __name__ == "__main__":
    main()
