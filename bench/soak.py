"""An hour of full load: what grows, and whether every picture is accounted for."""

from __future__ import annotations

import argparse
import statistics
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bench.comparison import markdown
from bench.model import frames, trained
from bench.overload import LIMITS, MIB, POLICIES, PROCESSES, Run
from bench.results import write_section
from bench.system import system, workers

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTES = 60.0
#: Of what is carried at most; the rest is left to whatever else the machine does.
SHARE = 0.8
FIND_OUT_S = 20.0
#: A quantity is flat if the mean of its last quarter is no more than so much above that of its
#: second (the first warms up), or no more than the noise between two neighbouring looks.
GROWTH = 0.03
#: Grow with what is kept, or are rewritten when they are twice as large.
NOT_FLAT = ("server file MiB",)


def main(arguments: Sequence[str]) -> int:
    """Load the system, watch it, and account for every picture."""
    parser = argparse.ArgumentParser("python -m bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="default: 60")
    minutes = parser.parse_args(arguments).minutes
    if not 0 < minutes <= 24 * 60:
        parser.error(f"--minutes is {minutes:g}: use more than 0, at most 1440")
    with system() as place:
        place.register(trained())
        with workers(place, PROCESSES) as scoring:
            run = Run(place, [process.pid for process in scoring], frames(300))
            try:
                run.overload(FIND_OUT_S)
                rate = run.hold(SHARE, minutes * 60)
            finally:
                run.end_cameras()
            run.wait_for_the_rest()
        account, wrong = run.account()
        kept = {
            "database": place.home / "linewatch.db",
            "image store": Path(place.store_url),
        }
        sizes = [[name, f"{_size(path) / MIB:,.1f} MiB"] for name, path in kept.items()]
        rows = [_row(name.replace("_", " "), values) for name, values in run.seen.items()]
    grown = sum(row[-1] == "**grows**" for row in rows)
    made = ["camera", "made", "scored", "UNINSPECTED", "quarantined", "dropped", "difference"]
    write_section(
        "soak",
        f"{minutes:g} minutes at {rate:.0f} frames/s, {SHARE:.0%} of what was carried at first. "
        f"Flat: the mean of the last quarter is at most {GROWTH:.0%} above that of the second, or "
        "within the noise.",
        "PatchCore fast (tf_efficientnet_lite0, 256 px, seed 0) on elpv:mono cells, "
        f"{PROCESSES} processes x 1 thread, Valkey with AOF everysec, SQLite WAL, a stream of at "
        f"most {LIMITS.max_frames} frames; {', '.join(POLICIES)}; other work on the machine",
        "\n\n".join(
            [
                markdown(["", "second quarter", "last quarter", "largest", ""], rows),
                markdown([*made, "longest in hand"], account),
                markdown(["kept at the end", ""], sizes),
            ]
        ),
    )
    return 1 if wrong or grown else 0


def _row(name: str, values: list[float]) -> list[str]:
    quarter = max(1, len(values) // 4)
    second, last = values[quarter : 2 * quarter] or values, values[-quarter:]
    before, after = statistics.mean(second), statistics.mean(last)
    steps = [abs(b - a) for a, b in pairwise(values)]
    noise = statistics.mean(steps) if steps else 0.0
    is_flat = after - before <= max(GROWTH * before, noise)
    word = "by its nature" if name in NOT_FLAT else "flat" if is_flat else "**grows**"
    return [name, f"{before:,.1f}", f"{after:,.1f}", f"{max(values):,.1f}", word]


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
    return sum(file.stat().st_size for file in files if file.is_file())
