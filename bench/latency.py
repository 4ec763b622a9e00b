"""From capture to committed verdict while the line runs at a share of what it can carry."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.model import frames, trained
from bench.plain_loop import plain_loops, run
from bench.results import percentile, write
from bench.system import LINE, system, workers
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy
from workers.config import ScoringConfig

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 20
LOADS = (0.5, 0.7)
PROCESSES, THREADS = 2, 1
#: What is wanted of the 99th percentile, in ms, at the highest load.
WANTED_MS = {"simplenet": 60.0}
DETECTORS = ("patchcore", "simplenet")
PLAIN_FRAMES = 160


def latencies_ms(model: Path, rate: float) -> list[float]:
    """Latencies at `rate` frames/s, evenly spaced."""
    cells = frames(int(SECONDS * rate))
    with system() as place:
        place.register(model)
        with workers(place, PROCESSES, threads=THREADS):
            stream, doorbell = FrameStream(place.redis, LINE), Doorbell(place.redis)
            started = time.perf_counter()
            for sequence, (data, media_type) in enumerate(cells):
                time.sleep(max(0.0, started + sequence / rate - time.perf_counter()))
                frame = Frame.capture(LINE, "camera", sequence, data, media_type)
                if stream.push(frame, FullPolicy.BLOCK).ring:
                    doorbell.call_worker(LINE)
            place.wait_for_rows(len(cells), 60)
            return stream.latencies_ms()


def at_loads(detector: str) -> dict[str, str]:
    """The figures of one detector; the full rate is what plain loops do just before.

    They run again just after: where the machine was slower then, the load was higher than it says.
    """
    model, batch, rows = trained(detector), ScoringConfig().max_batch, {}
    for load in LOADS:
        with plain_loops(model, PROCESSES, THREADS) as loops:
            alone = run(loops[:1], PLAIN_FRAMES, batch)
            full = run(loops, PLAIN_FRAMES, batch).frames_per_s
        found = latencies_ms(model, load * full)
        with plain_loops(model, PROCESSES, THREADS) as loops:
            after = run(loops, PLAIN_FRAMES, batch).frames_per_s
        p50, p99 = percentile(found, 0.5), percentile(found, 0.99)
        name, wanted = f"{detector}, {load:.0%} load", WANTED_MS.get(detector)
        ending = f" (wanted: below {wanted:g} ms)" if wanted and load == max(LOADS) else ""
        rows[f"{name}: offered"] = (
            f"{load * full:.0f} of {full:.0f} frames/s before and {after:.0f} after"
        )
        rows[f"{name}: p50"] = f"{p50:.1f} ms"
        rows[f"{name}: p99"] = f"{p99:.1f} ms{ending}"
        rows[f"{name}: one batch of {batch} on one thread"] = (
            f"{batch * 1e3 / alone.frames_per_s:.1f} ms"
        )
    return rows


def main() -> None:
    """Measure every detector at every load."""
    rows: dict[str, str] = {}
    for detector in DETECTORS:
        rows |= at_loads(detector)
    write(
        "latency",
        "Capture to committed verdict, with frames evenly spaced at a share of what as many plain "
        "loops score.",
        "fast presets (tf_efficientnet_lite0, 256 px, seed 0) on elpv:mono cells, OpenVINO, "
        f"{PROCESSES} processes x {THREADS} thread, SQLite, {SECONDS} s each, "
        f"batches of up to {ScoringConfig().max_batch}",
        rows,
    )
