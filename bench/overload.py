"""Twice the load the system carries, for minutes: what grows, what is lost, how it recovers."""

from __future__ import annotations

import argparse
import os
import time
from collections import deque
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING, cast

import psutil
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.comparison import markdown
from bench.model import frames, trained
from bench.results import percentile, write_section
from bench.system import LINE, system, workers
from db.tables import Camera as CameraRow
from db.tables import Inspection, QuarantinedFrame
from ingest.camera import Camera, CameraConfig
from ingest.doorbell import Doorbell
from ingest.runner import run_cameras
from ingest.sources.picture import EndlessSupply, Picture
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from linewatch import embedded
from workers.config import ScoringConfig

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from bench.system import System

PROCESSES = 2
LIMITS = StreamLimits(max_frames=100, max_bytes=64 * 1024 * 1024)
BLOCK_TIMEOUT_S = 0.5
#: Each offers a third of the load; together twice what is carried, then half of it.
POLICIES = {
    "live-1": FullPolicy.DROP_OLDEST,
    "live-2": FullPolicy.DROP_OLDEST,
    "triggered": FullPolicy.BLOCK,
}
OVERLOAD, AFTERWARDS = 2.0, 0.5
#: One picture of so many is cut off, and belongs into quarantine.
DAMAGED_EVERY = 500
#: The load follows what was carried in this time: machines have moods.
CARRIED_OVER_S = 5.0
AFTER_S = 15.0
FIRST_RATE, LEAST_RATE = 20.0, 1.0
RECOVERY_TIMEOUT_S = 120.0
MAX_MINUTES = 24 * 60.0
MIB = 1024 * 1024


class Supply(EndlessSupply):
    """A free-running camera: pictures come at a rate that others set, taken or not."""

    live = True

    def __init__(self, label: str, pictures: Sequence[tuple[bytes, str]]) -> None:
        self.label = label
        self._pictures = pictures
        #: Pictures a second.
        self.rate = FIRST_RATE / len(POLICIES)
        self.made = 0
        #: Longest time until one was delivered, reported or dropped.
        self.longest_s = 0.0

    def pictures(self, stop: Event) -> Generator[Picture]:
        """Pictures when they are due; those that nobody took in time are skipped."""
        due = time.perf_counter()
        while not stop.is_set():
            due += 1 / self.rate
            time.sleep(max(0.0, due - time.perf_counter()))
            skipped = int((time.perf_counter() - due) * self.rate)
            due += skipped / self.rate
            self.made += 1 + skipped
            data, media_type = self._pictures[self.made % len(self._pictures)]
            if self.made % DAMAGED_EVERY == 0:
                data = data[: len(data) // 2]
            yielded = time.perf_counter()
            yield Picture(data, media_type, skipped=skipped)
            self.longest_s = max(self.longest_s, time.perf_counter() - yielded)


@dataclass
class Watch:
    """What was seen while the load was on, one value each half second."""

    seen: dict[str, list[float]] = field(default_factory=dict)

    def note(self, **values: float) -> None:
        """Add one value of each."""
        for name, value in values.items():
            self.seen.setdefault(name, []).append(value)

    def rows(self) -> list[list[str]]:
        """Largest, and how the last tenth differs from the second: the first warms up."""
        found = []
        for name, values in self.seen.items():
            tenth = max(1, len(values) // 10)
            early, late = values[tenth : 2 * tenth] or values, values[-tenth:]
            growth = sum(late) / len(late) - sum(early) / len(early)
            found.append([name.replace("_", " "), f"{max(values):,.0f}", f"{growth:+,.1f}"])
        return found


def main(arguments: Sequence[str]) -> int:
    """Overload the system, let go, and account for every picture."""
    parser = argparse.ArgumentParser("python -m bench overload", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of overload, default: 10")
    options = parser.parse_args(arguments)
    if not 0 < options.minutes <= MAX_MINUTES:
        parser.error(f"--minutes is {options.minutes:g}: use more than 0, at most {MAX_MINUTES:g}")
    cells = frames(300)
    with system() as place:
        place.register(trained())
        with workers(place, PROCESSES) as scoring:
            run = Run(place, [process.pid for process in scoring], cells)
            try:
                run.overload(options.minutes * 60)
                run.recover()
            finally:
                run.end_cameras()
            run.wait_for_the_rest()
        lost = run.report(options.minutes)
    return 1 if lost else 0


class Run:
    """One run: its cameras, what was seen of it, and its end."""

    def __init__(self, place: System, pids: list[int], cells: list[tuple[bytes, str]]) -> None:
        self._place = place
        self._stream = FrameStream(place.redis, LINE, LIMITS)
        self._workers = [psutil.Process(pid) for pid in pids]
        self._server = embedded.embedded_server(place.home).process()
        self._supplies = {name: Supply(name, cells) for name in POLICIES}
        self._cameras = [self._camera(name) for name in POLICIES]
        self._stop = Event()
        self._thread = Thread(target=run_cameras, args=(self._cameras, self._stop))
        self._watch = Watch()
        self._scored: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._carried = self._offered = self._recovery_s = 0.0
        self._calm: list[float] = []

    def _camera(self, name: str) -> Camera:
        config = CameraConfig(
            line=LINE,
            camera=name,
            source=name,
            policy=POLICIES[name],
            block_timeout_s=BLOCK_TIMEOUT_S,
        )
        return Camera(config, self._supplies[name], self._stream, Doorbell(self._place.redis))

    def overload(self, seconds: float) -> None:
        """Offer twice what is carried, and watch."""
        if not self._thread.is_alive():
            self._thread.start()
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            carried = self._carried_now()
            if carried:
                self._set_rate(OVERLOAD * carried)
            self._look()
            time.sleep(0.5)
        took = time.monotonic() - started
        self._offered = sum(supply.made for supply in self._supplies.values()) / took
        self._carried = self._scored[-1][1] / took

    def hold(self, share: float, seconds: float) -> float:
        """Offer `share` of what was carried, and watch anew; returns the rate."""
        rate, self._watch = share * self._carried, Watch()
        self._set_rate(rate)
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            self._look()
            time.sleep(5.0)
        return rate

    @property
    def seen(self) -> dict[str, list[float]]:
        """What was watched, by name."""
        return self._watch.seen

    def recover(self) -> None:
        """Let go, and wait until no more waits than the workers have in hand."""
        self._set_rate(AFTERWARDS * self._carried_now())
        started = time.monotonic()
        while self._lag() > PROCESSES * ScoringConfig().max_batch:
            if time.monotonic() - started > RECOVERY_TIMEOUT_S:
                raise TimeoutError(f"{self._lag()} frames still wait at half of the load")
            time.sleep(0.02)
        self._recovery_s = time.monotonic() - started
        calm_from = self._scored_rows()
        time.sleep(AFTER_S)
        count = self._scored_rows() - calm_from
        self._calm = self._stream.latencies_ms()[-max(count, 1) :]

    def end_cameras(self) -> None:
        """Let each finish what it has in hand."""
        self._stop.set()
        self._thread.join()

    def wait_for_the_rest(self) -> None:
        """Wait until everything that was pushed has its row."""
        deadline = time.monotonic() + 120
        while self._lag():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._lag()} frames wait two minutes after the last came")
            time.sleep(0.1)

    def _set_rate(self, rate: float) -> None:
        for supply in self._supplies.values():
            supply.rate = max(rate, LEAST_RATE) / len(POLICIES)

    def _lag(self) -> int:
        status = self._stream.status()
        return status.waiting + status.pending

    def _scored_rows(self) -> int:
        query = select(func.count(Inspection.id)).where(Inspection.model_version_id.is_not(None))
        with Session(self._place.engine) as session:
            return session.scalar(query) or 0

    def _carried_now(self) -> float:
        """Scores a second in the last seconds."""
        self._scored.append((time.monotonic(), self._scored_rows()))
        while self._scored[-1][0] - self._scored[0][0] > CARRIED_OVER_S:
            self._scored.popleft()
        (first_at, first), (last_at, last) = self._scored[0], self._scored[-1]
        return (last - first) / max(last_at - first_at, 1e-9)

    def _look(self) -> None:
        status = self._stream.status()
        memory, persistence = (self._place.redis.info(of) for of in ("memory", "persistence"))
        assert self._server is not None
        self._watch.note(
            worker_MiB=max(worker.memory_info().rss for worker in self._workers) / MIB,
            cameras_and_benchmark_MiB=psutil.Process(os.getpid()).memory_info().rss / MIB,
            server_data_MiB=memory["used_memory"] / MIB,
            server_process_MiB=self._server.memory_info().rss / MIB,
            server_file_MiB=persistence["aof_current_size"] / MIB,
            frames_and_notices_waiting=status.waiting,
            frames_and_notices_in_work=status.pending,
            image_MiB_in_the_stream=status.held_bytes / MIB,
            worker_file_handles=max(worker.num_fds() for worker in self._workers),
            worker_threads=max(worker.num_threads() for worker in self._workers),
            connections_to_redis=self._place.redis.info("clients")["connected_clients"],
            keys_in_redis=cast("int", self._place.redis.dbsize()),
        )

    def report(self, minutes: float) -> int:
        """Write the section; returns how many pictures are unaccounted for, or judged twice."""
        account, wrong = self.account()
        late = self._stream.latencies_ms()[: -len(self._calm)] or [float("nan")]
        carried = [
            ["offered", f"{self._offered:.1f} frames/s"],
            ["scored", f"{self._carried:.1f} frames/s"],
            ["offered / scored", f"{self._offered / max(self._carried, 1e-9):.2f}"],
            ["capture to verdict while overloaded, p50", f"{percentile(late, 0.5) / 1e3:.2f} s"],
            ["capture to verdict while overloaded, p99", f"{percentile(late, 0.99) / 1e3:.2f} s"],
            ["from half load on, until nothing waits", f"{self._recovery_s:.1f} s"],
            ["capture to verdict after that, p50", f"{percentile(self._calm, 0.5):.0f} ms"],
            ["capture to verdict after that, p99", f"{percentile(self._calm, 0.99):.0f} ms"],
            ["unaccounted for, or judged twice", f"{wrong} frames (wanted: 0)"],
        ]
        policies = ", ".join(f"{name} {policy.value}" for name, policy in POLICIES.items())
        body = [
            markdown(["figure", "value"], carried),
            "What became of every picture:",
            markdown(
                ["camera", "made", "scored", "UNINSPECTED", "quarantined", "dropped", "difference",
                 "longest in hand"],
                account,
            ),
            "While overloaded, looked at twice a second:",
            markdown(["", "largest", "last tenth minus second tenth"], self._watch.rows()),
        ]  # fmt: skip
        write_section(
            "overload",
            f"Twice what the system carries for {minutes:g} minutes, then half of it. The load "
            f"follows what was scored in the last {CARRIED_OVER_S:g} s.",
            "PatchCore fast (tf_efficientnet_lite0, 256 px, seed 0) on elpv:mono cells, "
            f"{PROCESSES} processes x 1 thread, Valkey with AOF everysec, SQLite WAL, a stream of "
            f"at most {LIMITS.max_frames} frames; {policies}, which waits {BLOCK_TIMEOUT_S:g} s; "
            f"one picture in {DAMAGED_EVERY} is cut off",
            "\n\n".join(body),
        )
        return wrong

    def account(self) -> tuple[list[list[str]], int]:
        """What became of every picture, camera by camera; how many are unexplained or twice."""
        table, wrong = [], 0
        dropped = {name: counts.dropped for name, counts in self._stream.status().cameras.items()}
        with Session(self._place.engine) as session:
            rows = session.scalar(select(func.count(Inspection.id))) or 0
            distinct = session.scalar(select(func.count(Inspection.frame_id.distinct()))) or 0
            wrong += rows - distinct
            for name, supply in self._supplies.items():
                ours = CameraRow.name == name
                verdicts = select(func.count(Inspection.id)).join(CameraRow).where(ours)
                is_scored = Inspection.model_version_id.is_not(None)
                bad = select(func.count(QuarantinedFrame.id)).where(QuarantinedFrame.camera == name)
                counts = [
                    session.scalar(verdicts.where(is_scored)) or 0,
                    session.scalar(verdicts.where(~is_scored)) or 0,
                    session.scalar(bad) or 0,
                    dropped.get(name, 0),
                ]
                missing = supply.made - sum(counts)
                wrong += abs(missing)
                figures = [supply.made, *counts, missing]
                seconds = f"{supply.longest_s:.2f} s"
                table.append([name, *(f"{figure:,}" for figure in figures), seconds])
        return table, wrong
