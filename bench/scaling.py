"""How the rate grows with the number of scoring processes, when scoring only takes time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.results import write
from bench.system import LINE, system, workers
from db.tables import Inspection
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from workers.config import ScoringConfig

if TYPE_CHECKING:
    from bench.system import System

PROCESSES = (1, 2, 4)
SLEEP_MS = 20.0
#: A process scores so many, in ten seconds.
FRAMES = 500
FRAME_BYTES = 20_000
#: Until every process has been called to the line, and from when some have nothing left to do.
FIRST, LAST = 0.2, 0.9


def rate(processes: int, config: ScoringConfig) -> float:
    """Frames/s of `processes` workers on a backlog that waited for them."""
    count = processes * FRAMES
    with system() as place:
        place.register(None)
        stream = FrameStream(place.redis, LINE, StreamLimits(max_frames=count))
        image = bytes(FRAME_BYTES)
        for sequence in range(count):
            frame = Frame.capture(LINE, "camera", sequence, image, "image/jpeg")
            stream.push(frame, FullPolicy.BLOCK)
        with workers(place, processes, config, stand_in_ms=SLEEP_MS):
            Doorbell(place.redis).call_worker(LINE)
            place.wait_for_rows(count, 120)
        return _steady_rate(place, count)


def _steady_rate(place: System, count: int) -> float:
    with Session(place.engine) as session:
        times = sorted(session.scalars(select(Inspection.recorded_at)))
    first, last = int(FIRST * count), int(LAST * count)
    return (last - first) / ((times[last] - times[first]) / timedelta(seconds=1))


def main() -> None:
    """Frames one by one, where every step between two counts, and in batches."""
    rows = {}
    for batch in (1, ScoringConfig().max_batch):
        config = replace(ScoringConfig(), max_batch=batch)
        rates = {processes: rate(processes, config) for processes in PROCESSES}
        for processes, found in rates.items():
            rows[f"batches of {batch}, processes: {processes}"] = f"{found:.1f} frames/s"
        growth = rates[4] / rates[1]
        rows[f"batches of {batch}, 4 processes / 1 process"] = (
            f"{growth:.2f} (wanted: at least 3.8)"
        )
    write(
        "scaling",
        "The rate of 1, 2 and 4 scoring processes on one line, with a scorer that sleeps.",
        f"{SLEEP_MS:g} ms of sleep a frame, {FRAMES} frames a process of {FRAME_BYTES:,} bytes "
        "that wait when it begins, Valkey with AOF everysec, SQLite WAL; the rate of commits from "
        f"{FIRST:.0%} to {LAST:.0%} of the frames",
        rows,
    )
