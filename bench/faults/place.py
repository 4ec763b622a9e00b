"""A plant of real processes for one scenario: each may be killed, and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bench.faults.account import Account, account
from bench.faults.camera import CameraSpec
from bench.system import LINE, System
from db import migrate
from db.engine import make_engine
from db.errors import DbError
from db.tables import Inspection, QuarantinedFrame
from ingest.stream import FrameStream, FullPolicy
from linewatch import embedded
from workers.config import ScoringConfig
from workers.pool import run_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.postgres_server import PostgresServer

SCHEDULER = (
    "import sys; from workers.schedule import run_scheduler; "
    "run_scheduler(redis_url=sys.argv[1], sweep_interval_s=1)"
)
CONFIG = ScoringConfig(visibility_timeout_s=5.0, model_check_s=0.2, max_deliveries=20)
#: How long a blocking camera waits before it reports a part.
BLOCK_TIMEOUT_S = 60.0
MAX_FRAMES = 2_000
#: Longest wait for the last verdicts.
PATIENCE_S = 180.0
#: Full rate: so much of what is offered, within a second.
FULL = 0.9


@dataclass
class Place:
    """The parts of a running plant."""

    system: System
    postgres: PostgresServer | None
    #: Milliseconds that a frame is scored for.
    ms: float = 4.0
    #: Of the pool; far above what a batch takes.
    hang_limit_s: float = 5.0
    #: Put before what its processes are started with.
    prefix: tuple[str, ...] = ()
    specs: dict[str, CameraSpec] = field(default_factory=dict)
    cameras: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)
    #: What the fault did, in numbers.
    counts: dict[str, int] = field(default_factory=dict)
    fault_over_at: float | None = None
    #: Frames a second of the cameras that live then.
    _offered: float = 0.0
    #: (time, verdicts and refusals so far)
    seen: list[tuple[float, int]] = field(default_factory=list)
    _pool_stop: threading.Event = field(default_factory=threading.Event)
    _pool: threading.Thread | None = None

    @property
    def home(self) -> Path:
        """Its folder."""
        return self.system.home

    # Processes

    def start_workers(
        self,
        processes: int = 2,
        phase: str | None = None,
        *,
        after_at_most: int = 0,
        redis_url: str = "",
        database_url: str = "",
    ) -> None:
        """Start a pool of workers; with `phase`, each ends itself there, after some calls."""
        told = {
            "redis_url": redis_url or self.system.redis_url,
            "database_url": database_url or self.system.database_url,
            "store_url": self.system.store_url,
            "config": asdict(CONFIG),
            "ms": self.ms,
            "log": str(self.home / "processes.log"),
            "phase": phase,
            "after_at_most": after_at_most,
        }
        command = [*self.prefix, sys.executable, "-m", "bench.faults.worker", json.dumps(told)]
        self._pool_stop = threading.Event()
        settings: dict[str, Any] = {"stop": self._pool_stop, "hang_limit_s": self.hang_limit_s}
        # The pool's own thread: its children write where this process does.
        self._pool = threading.Thread(target=run_pool, args=(command, processes), kwargs=settings)
        self._pool.start()

    def end_workers(self) -> None:
        """Let each finish its batch."""
        self._pool_stop.set()
        if self._pool is not None:
            self._pool.join()

    def workers(self) -> list[psutil.Process]:
        """The scoring processes that live."""
        found = []
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "bench.faults.worker" in child.cmdline() and child.name() != "faketime":
                    found.append(child)
        return found

    def start_scheduler(self) -> None:
        """Start one more scheduler."""
        self.others.append(self._start(sys.executable, "-c", SCHEDULER, self.system.redis_url))

    def start_camera(self, spec: CameraSpec, redis_url: str = "", *prefix: str) -> None:
        """Start a camera host, or start it again."""
        told = {
            "spec": asdict(spec),
            "line": LINE,
            "redis_url": redis_url or self.system.redis_url,
            "journal": str(self.journal(spec.name)),
            "block_timeout_s": BLOCK_TIMEOUT_S,
            "max_frames": MAX_FRAMES,
        }
        self.specs[spec.name] = spec
        program = [sys.executable, "-m", "bench.faults.camera", json.dumps(told)]
        self.cameras[spec.name] = self._start(*prefix, *program)

    def journal(self, camera: str) -> Path:
        """Where a camera writes what it made."""
        return self.home / f"{camera}.journal"

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.home / "processes.log").open("ab") as log:
            return subprocess.Popen(
                [*self.prefix, *command],
                stdout=log,
                stderr=log,
            )

    def kill_redis(self) -> None:
        """SIGKILL the server."""
        process = embedded.embedded_server(self.home).process()
        if process is not None:
            process.kill()
            process.wait(10)

    def start_redis(self) -> None:
        """Start it on the data that it left."""
        embedded.start(self.home, max_memory_mib=512)

    def redis(self) -> Redis:
        """A client that expects faults."""
        return Redis.from_url(self.system.redis_url, socket_timeout=5)

    # What is seen

    def rows(self) -> int | None:
        """Verdicts and refusals so far; None while the database is away."""
        try:
            with Session(self.system.engine) as session:
                verdicts = session.scalar(select(func.count(Inspection.id))) or 0
                return verdicts + (session.scalar(select(func.count(QuarantinedFrame.id))) or 0)
        except (DbError, SQLAlchemyError):
            return None

    def look(self) -> int | None:
        """Note how many there are now."""
        rows = self.rows()
        if rows is not None:
            self.seen.append((time.monotonic(), rows))
        return rows

    def sleep(self, seconds: float) -> None:
        """Let time pass, looking."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            time.sleep(0.1)

    def fault_is_over(self) -> None:
        """From now on, the time until full rate counts."""
        self.fault_over_at = time.monotonic()
        alive = [name for name, camera in self.cameras.items() if camera.poll() is None]
        self._offered = sum(self.specs[name].rate for name in alive)

    def made(self) -> int:
        """Frames that the cameras made so far."""
        files = [self.journal(name) for name in self.specs]
        return sum(f.read_bytes().count(b"made ") for f in files if f.exists())

    def recovery_s(self) -> float | None:
        """Seconds from the fault's end until a second brought what is offered in one."""
        if self.fault_over_at is None or not self._offered:
            return None
        for at, rows in self.seen:
            if at < self.fault_over_at:
                continue
            before = [r for t, r in self.seen if self.fault_over_at <= t <= at - 1.0]
            if before and rows - before[-1] >= FULL * self._offered:
                return at - 1.0 - self.fault_over_at
        return None

    # The end

    def finish(self) -> Account:
        """Wait until the cameras are through and every frame has its end, and account for all."""
        for name, camera in self.cameras.items():
            while camera.poll() is None:
                self.sleep(0.2)
            if camera.returncode != 0:
                raise RuntimeError(f"camera {name} ended with {camera.returncode}: {self._log()}")
        stream = FrameStream(self.redis(), LINE)
        deadline = time.monotonic() + PATIENCE_S
        while (status := stream.status()).waiting + status.pending:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{status} after {PATIENCE_S:.0f} s: {self._log()}")
            self.sleep(0.2)
        dropped = {name: counts.dropped for name, counts in stream.status().cameras.items()}
        journals = {name: self.journal(name) for name in self.specs}
        return account(journals, self.system.engine, dropped)

    def end(self) -> None:
        """End every process."""
        for process in [*self.cameras.values(), *self.others]:
            process.kill()
            process.wait()
        for worker in self.workers():
            with suppress(psutil.Error):
                worker.send_signal(signal.SIGCONT)
        self.end_workers()

    def _log(self) -> str:
        return (self.home / "processes.log").read_text()[-3000:]


@contextmanager
def place(
    home: Path, postgres: PostgresServer | None, *, database_folder: str = "."
) -> Iterator[Place]:
    """A plant without processes but its server; everything ends with it."""
    home.mkdir(exist_ok=True)
    (home / "store").mkdir(exist_ok=True)
    server, _ = embedded.start(home, max_memory_mib=512)
    folder = home / database_folder
    folder.mkdir(exist_ok=True)
    url = postgres.url if postgres else f"sqlite:///{folder / 'linewatch.db'}"
    migrate.upgrade(url)
    engine = make_engine(url)
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        stack.callback(embedded.stop, home)
        system = System(
            home, server.url, url, str(home / "store"), engine, Redis.from_url(server.url)
        )
        system.register(None)
        made = Place(system, postgres)
        stack.callback(made.end)
        yield made


def cameras(total: int, rate: float) -> Sequence[CameraSpec]:
    """Two blocking cameras and a free-running one, which share frames and rate."""
    each, per_s = -(-total // 3), rate / 3
    return [
        CameraSpec("left", FullPolicy.BLOCK, per_s, each),
        CameraSpec("right", FullPolicy.BLOCK, per_s, each, "damaged"),
        CameraSpec("live", FullPolicy.DROP_OLDEST, per_s, each),
    ]


def again_and_again(what: Callable[[], bool], times: int) -> int:
    """Call until it has said True so often; returns how often that was."""
    done = 0
    while done < times:
        done += what()
    return done


def quietly(call: Callable[[], Any]) -> None:
    """Call what may meet a server that is away."""
    with suppress(RedisError, OSError):
        call()
