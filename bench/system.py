"""A whole system in a temporary folder: Valkey with AOF, SQLite, workers as processes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import migrate
from db.access import trusted
from db.engine import make_engine
from db.lines import add_line, get_line
from db.model_versions import activate, add_model_version
from db.tables import Inspection
from linewatch import embedded
from models.artifact import manifest_sha256
from workers.config import ScoringConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

LINE = "bench"


@dataclass
class System:
    """Where the parts of a running system are."""

    home: Path
    redis_url: str
    database_url: str
    store_url: str
    engine: Engine
    redis: Redis

    def rows(self) -> int:
        """Verdicts committed so far."""
        with Session(self.engine) as session:
            return session.scalar(select(func.count()).select_from(Inspection)) or 0

    def wait_for_rows(self, count: int, timeout_s: float) -> float:
        """Wait until `count` verdicts are committed; returns time.perf_counter() then."""
        deadline = time.monotonic() + timeout_s
        while self.rows() < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.rows()} of {count} verdicts after {timeout_s} s")
            time.sleep(0.01)
        return time.perf_counter()

    def register(self, artifact: Path | None) -> None:
        """Add a line, and activate an artifact on it (None: one for a stand-in scorer)."""
        manifest: dict[str, Any] = {
            "detector": "null",
            "backbone": "none",
            "thresholds": {"review": 1.0, "reject": 2.0},
        }
        if artifact is not None:
            manifest = json.loads((artifact / "manifest.json").read_text())
        with Session(self.engine) as session, session.begin():
            add_line(session, LINE, actor=trusted("bench"))
            line = get_line(session, LINE)
            version = add_model_version(
                session,
                line,
                artifact_path=str(artifact or "/nowhere"),
                manifest=manifest,
                manifest_sha256=manifest_sha256(artifact) if artifact else "0" * 64,
                actor=trusted("bench"),
            )
            activate(session, line, version.number, actor=trusted("bench"))


@contextmanager
def system() -> Iterator[System]:
    """A server and a migrated database; both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lw-bench-") as folder:
        home = Path(folder)
        store = home / "store"
        store.mkdir()
        server, _ = embedded.start(home, max_memory_mib=2048)
        database_url = f"sqlite:///{home / 'linewatch.db'}"
        migrate.upgrade(database_url)
        engine = make_engine(database_url)
        redis = Redis.from_url(server.url)
        try:
            yield System(home, server.url, database_url, str(store), engine, redis)
        finally:
            engine.dispose()
            redis.close()
            embedded.stop(home)


@contextmanager
def workers(
    place: System,
    processes: int,
    config: ScoringConfig | None = None,
    *,
    threads: int = 1,
    stand_in_ms: float | None = None,
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Scoring workers as real processes, ready when this returns.

    Args:
        stand_in_ms: a scorer that only sleeps so long a frame; None: the line's model.
    """
    arguments = {
        "redis_url": place.redis_url,
        "database_url": place.database_url,
        "store_url": place.store_url,
        "config": asdict(config or ScoringConfig()),
        "threads": threads,
        "stand_in_ms": stand_in_ms,
    }
    command = [sys.executable, "-m", "bench.worker", json.dumps(arguments)]
    log = (place.home / "workers.log").open("ab")
    running = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(processes)]
    try:
        deadline = time.monotonic() + 60
        while place.redis.scard("rq:workers") < processes:
            if time.monotonic() > deadline or any(p.poll() is not None for p in running):
                raise RuntimeError((place.home / "workers.log").read_text()[-2000:])
            time.sleep(0.05)
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)
        log.close()
