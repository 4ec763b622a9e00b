"""Score encoded frames in a plain loop, in a process of its own; prints frames per second."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench.model import frames
from models.images import decode
from models.scorer import load_scorer

BATCH = 16


def main() -> None:
    """Arguments: model folder, threads, frames."""
    scorer = load_scorer(Path(sys.argv[1]), threads=int(sys.argv[2]))
    cells = frames(int(sys.argv[3]))
    scorer.score([decode(cells[0][0])])
    print("ready", flush=True)
    sys.stdin.readline()  # all loops of a run begin at once
    started = time.perf_counter()
    for first in range(0, len(cells), BATCH):
        scorer.score([decode(data) for data, _ in cells[first : first + BATCH]])
    print(len(cells) / (time.perf_counter() - started))


if __name__ == "__main__":
    main()
