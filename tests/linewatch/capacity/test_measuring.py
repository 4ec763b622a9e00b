"""Which measurements are made, with processes that answer at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
import pytest

from linewatch.capacity import measuring
from linewatch.capacity.capacity import LOAD_SHARE, PIPELINE_SHARE
from linewatch.capacity.loads import Flood, Flooded, Traffic, Trafficked
from linewatch.capacity.measuring import arrival_times, measure, numbers_of_processes


@pytest.mark.parametrize(
    ("cores", "threads", "wanted"),
    [
        (1, 1, [1]),
        (2, 1, [1, 2]),
        (4, 1, [1, 2, 4]),
        (6, 1, [1, 2, 4, 6]),
        (8, 2, [1, 2, 4]),
        (2, 4, [1]),
    ],
)
def test_numbers_double_up_to_one_thread_a_core(
    cores: int, threads: int, wanted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_is(monkeypatch, gib=100)

    assert numbers_of_processes(None, cores, threads) == wanted


def test_no_more_processes_are_tried_than_the_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    memory_is(monkeypatch, gib=1.6)  # three of half a GiB

    assert numbers_of_processes(None, 64, 1) == [1, 2, 3]


def test_a_gpu_is_given_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "cuda_is_there", lambda: True)

    assert numbers_of_processes(None, cores=8, threads=1) == [1]
    assert numbers_of_processes(2, cores=8, threads=1) == [2]


def test_a_number_that_was_asked_for_is_the_only_one() -> None:
    assert numbers_of_processes(3, cores=2, threads=1) == [3]


def memory_is(monkeypatch: pytest.MonkeyPatch, gib: float) -> None:
    @dataclass
    class Memory:
        available: int = int(gib * 1024**3)

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    monkeypatch.setattr(measuring, "cuda_is_there", lambda: False)


@dataclass
class Answering:
    """Processes whose rate alone is 10 frames/s singly and 20 in batches, and three times as many
    of two; of three, two."""

    runtime: str = "openvino"
    asked: list[tuple[Any, int]] = field(default_factory=list)

    def ask(self, load: Flood | Traffic, processes: int) -> list[Any]:
        self.asked.append((load, processes))
        if isinstance(load, Traffic):
            begin = load.arrivals[0]
            half = len(load.arrivals) // 2
            return [
                Trafficked([5.0] * half, begin + 1.5),
                Trafficked([9.0] * (len(load.arrivals) - half), begin),
            ]
        speed = {1: 1.0, 2: 1.5, 3: 2 / 3}[processes]
        frames = round((10 if load.batch == 1 else 20) * speed * load.seconds)
        return [Flooded(frames, load.seconds, [7.0] * 98 + [70.0] * 2) for _ in range(processes)]


def test_rates_are_those_of_all_processes_and_the_best_is_tried() -> None:
    children, told = Answering(), []

    capacity = measure(
        children,  # type: ignore[arg-type]
        [1, 2, 3],
        max_batch=4,
        fps=2.0,
        seconds=30.0,
        progress=lambda *step: told.append(step),
    )

    assert [(rate.processes, rate.single_fps) for rate in capacity.rates] == [
        (1, 10), (2, 30), (3, 20),
    ]  # fmt: skip
    assert [rate.batch_fps for rate in capacity.rates] == [20, 60, 40]
    assert {rate.single_ms_p50 for rate in capacity.rates} == {7.0}
    assert min(rate.single_ms_p99 for rate in capacity.rates) > 60
    assert capacity.best.processes == 2
    assert capacity.carried_fps == pytest.approx(60 * PIPELINE_SHARE * LOAD_SHARE)
    traffic, processes = children.asked[-1]
    assert processes == 2
    # What is carried, for 30 seconds, give or take a frame of each camera.
    assert len(traffic.arrivals) == pytest.approx(capacity.carried_fps * 30, abs=19)
    assert capacity.tried.latency_ms_p99 == 9.0
    assert capacity.tried.kept_up
    assert told[0] == ("measuring", 0, 7)
    assert [done for _, done, _ in told] == list(range(8))


def test_batches_of_one_are_measured_once() -> None:
    children = Answering()

    capacity = measure(
        children,  # type: ignore[arg-type]
        [1],
        max_batch=1,
        fps=2.0,
        seconds=1.0,
        progress=lambda *_: None,
    )

    assert len(children.asked) == 2
    assert capacity.best.batch_fps == capacity.best.single_fps == 10


def test_cameras_are_regular_but_not_in_step() -> None:
    times = arrival_times(cameras=3, fps=15.0, seconds=10.0)

    assert times == sorted(times)
    assert 147 <= len(times) <= 150
    assert times[0] >= 0
    assert times[-1] < 10
    phases = np.array(times) % 0.2  # each camera sends five a second
    assert len(np.unique(phases.round(6) % 0.2)) == 3


def test_even_the_slowest_model_is_tried_with_a_frame() -> None:
    assert len(arrival_times(cameras=1, fps=0.01, seconds=1.0)) == 1
