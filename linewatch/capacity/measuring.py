"""The measurements: rates of more and more processes, then what cameras would send to the best."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import psutil

from linewatch.capacity.capacity import Capacity, Rate, Tried, best_of, carried_fps, whole_cameras
from linewatch.capacity.loads import Flood, Flooded, Traffic, Trafficked
from models.runtime import cuda_is_there

if TYPE_CHECKING:
    from linewatch.capacity.processes import ScoringProcesses
    from models.detector import Progress

#: By then every process has read what it is asked.
LEAD_S = 0.2
#: Memory of a scoring process, with room: as many are tried as the free memory holds.
PROCESS_BYTES = 512 * 1024 * 1024


def numbers_of_processes(asked: int | None, cores: int, threads: int) -> list[int]:
    """The numbers of scoring processes to try: `asked` alone, else 1, 2, 4 and so on, and the most.

    On a GPU one.

    Args:
        asked: None tries up to one thread a core.
        cores: that may be used.
        threads: of each process.
    """
    if asked is not None:
        return [asked]
    if cuda_is_there():  # several would only share it, each with a context and a model of its own
        return [1]
    most = max(1, min(cores // threads, psutil.virtual_memory().available // PROCESS_BYTES))
    return [*(2**power for power in range((most - 1).bit_length())), most]


def measure(
    processes: ScoringProcesses,
    numbers: list[int],
    *,
    max_batch: int,
    fps: float,
    seconds: float,
    progress: Progress,
) -> Capacity:
    """Find out what is carried.

    Args:
        processes: started, at least the largest of `numbers`.
        numbers: of processes to try at the same time.
        max_batch: frames that a worker takes at once.
        fps: frames/s of one camera.
        seconds: of each measurement.
        progress: called as progress("measuring", done, total).

    Raises:
        CapacityError: if a process fails or dies.
    """
    batches = sorted({1, max_batch})
    steps = len(numbers) * len(batches) + 1
    rates: list[Rate] = []
    for number in numbers:
        floods: dict[int, list[Flooded]] = {}
        for batch in batches:
            progress("measuring", len(rates) * len(batches) + len(floods), steps)
            floods[batch] = processes.ask(Flood(batch, time.monotonic() + LEAD_S, seconds), number)
        rates.append(_rate(floods[1], floods[max_batch]))
    progress("measuring", steps - 1, steps)
    tried = _try(processes, best_of(rates), max_batch, fps, seconds)
    progress("measuring", steps, steps)
    return Capacity(rates, tried)


def _rate(single: list[Flooded], batches: list[Flooded]) -> Rate:
    times = list(chain.from_iterable(flooded.batch_ms for flooded in single))
    p50, p99 = np.quantile(times, (0.5, 0.99))
    return Rate(len(single), _fps(batches), _fps(single), float(p50), float(p99))


def _fps(flooded: list[Flooded]) -> float:
    return sum(one.frames / one.seconds for one in flooded)


def _try(
    processes: ScoringProcesses, rate: Rate, max_batch: int, fps: float, seconds: float
) -> Tried:
    """Send what is carried, as that many cameras would."""
    offered = carried_fps(rate)
    begin_at = time.monotonic() + LEAD_S
    arrivals = arrival_times(max(1, whole_cameras(offered, fps)), offered, seconds)
    seen: list[Trafficked] = processes.ask(
        Traffic([begin_at + after for after in arrivals], max_batch), rate.processes
    )
    latencies = list(chain.from_iterable(one.latency_ms for one in seen))
    p50, p99 = np.quantile(latencies, (0.5, 0.99))
    late_s = max(one.ended_at for one in seen) - begin_at - seconds
    return Tried(seconds, float(p50), float(p99), late_s)


def arrival_times(cameras: int, fps: float, seconds: float) -> list[float]:
    """Seconds after the start at which frames come, `fps` from all cameras together, ascending.

    Each camera is regular; when it begins is drawn, with a fixed seed: cameras are not in step.
    """
    period = cameras / fps
    phases = np.random.default_rng(0).uniform(0, period, cameras)
    times = phases[:, None] + period * np.arange(np.ceil(seconds / period))
    return [float(at) for at in np.sort(times, axis=None) if at < seconds] or [0.0]
