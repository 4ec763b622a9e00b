"""What scoring processes are asked to do, in threads of this process."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from linewatch.capacity.loads import Flood, Traffic, Trafficked


def counter() -> object:
    return multiprocessing.get_context("spawn").Value("q", 0)


def test_a_flood_scores_whole_batches_until_its_time_is_over() -> None:
    scored: list[int] = []

    def score(count: int) -> None:
        scored.append(count)
        time.sleep(0.02)

    began = time.monotonic()
    flooded = Flood(batch=3, begin_at=began + 0.1, seconds=0.2).run(score, counter())
    took = time.monotonic() - began

    assert set(scored) == {3}
    assert flooded.frames == 3 * len(scored)
    assert len(flooded.batch_ms) == len(scored) >= 2
    assert min(flooded.batch_ms) >= 20
    # It began when it should, and ended with the batch in which the time ran out.
    assert took >= 0.3
    assert flooded.seconds >= 0.2
    assert sum(flooded.batch_ms) == pytest.approx(flooded.seconds * 1e3)


def run_together(loads: list[Traffic], score_s: float) -> tuple[list[Trafficked], list[list[int]]]:
    """Run each load in a thread of its own, on one counter; also gives the batches of each."""
    taken, batches = counter(), [[] for _ in loads]
    seen: list[Trafficked | None] = [None] * len(loads)

    def work(index: int) -> None:
        def score(count: int) -> None:
            batches[index].append(count)
            time.sleep(score_s)

        seen[index] = loads[index].run(score, taken)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(loads))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [one for one in seen if one is not None], batches


def test_every_frame_of_the_traffic_is_taken_once_by_whoever_is_free() -> None:
    begin = time.monotonic() + 0.05
    arrivals = [begin + 0.01 * index for index in range(40)]

    seen, batches = run_together([Traffic(arrivals, max_batch=4)] * 2, score_s=0.02)

    assert sum(map(sum, batches)) == 40
    assert sum(len(one.latency_ms) for one in seen) == 40
    # Both worked: one by itself would need 0.02 s for every frame that comes each 0.01 s.
    assert min(map(sum, batches)) >= 5
    assert min(min(one.latency_ms) for one in seen) >= 20
    assert max(one.ended_at for one in seen) >= arrivals[-1] + 0.02


def test_frames_that_wait_are_taken_together_and_their_waiting_counts() -> None:
    begin = time.monotonic()

    (seen,), (batches,) = run_together([Traffic([begin] * 10, max_batch=4)], score_s=0.05)

    assert batches == [4, 4, 2]
    # Those of the third batch waited for two others.
    assert min(seen.latency_ms[8:]) >= 150
    assert len(seen.latency_ms) == 10


def test_a_frame_is_not_scored_before_it_comes() -> None:
    begin = time.monotonic()
    arrivals = [begin, begin + 0.2]

    (seen,), (batches,) = run_together([Traffic(arrivals, max_batch=4)], score_s=0.001)

    assert batches == [1, 1]
    assert seen.ended_at >= arrivals[1]
    assert min(seen.latency_ms) > 0
