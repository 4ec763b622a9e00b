"""A whole line in processes: a Valkey that can be killed, scoring workers, the schedule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.postgres_server import postgres_server, programs
from db import migrate
from db.access import trusted
from db.engine import make_engine
from db.errors import DatabaseUnavailable
from db.lines import add_line, get_line
from db.model_versions import activate, add_model_version
from db.tables import Inspection, QuarantinedFrame
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from linewatch import embedded
from workers.config import ScoringConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from sqlalchemy import Engine

    from bench.postgres_server import PostgresServer

LINE = "line-4"
CONFIG = ScoringConfig(
    max_batch=8,
    visibility_timeout_s=2.0,
    max_deliveries=5,
    model_check_s=0.2,
    commit_patience_s=2.0,
    max_image_pixels=1_000_000,
)
#: The tests push by themselves, and do not push again what a killed server had not written yet.
APPENDFSYNC = "always"
RUN_SCHEDULER = """
import sys
from workers.schedule import run_scheduler
run_scheduler(redis_url=sys.argv[1], sweep_interval_s=1)
"""


def picture(brightness: float = 0.1) -> bytes:
    """A small grey PNG."""
    return cv2.imencode(".png", np.full((24, 24), round(brightness * 255), np.uint8))[1].tobytes()


@dataclass
class Plant:
    """A running system on a temporary home."""

    home: Path
    database_url: str
    engine: Engine
    redis_url: str
    redis: Redis
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    sent: list[UUID] = field(default_factory=list)

    def start_worker(self, seconds: float = 0.005) -> subprocess.Popen[bytes]:
        """Start one that takes so long for a picture."""
        arguments = {
            "seconds": seconds,
            "redis_url": self.redis_url,
            "database_url": self.database_url,
            "store_url": str(self.home / "store"),
            "config": asdict(CONFIG),
        }
        program = str(Path(__file__).with_name("scoring_process.py"))
        return self._start(sys.executable, program, json.dumps(arguments))

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        return self._start(sys.executable, "-c", RUN_SCHEDULER, self.redis_url)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.home / "processes.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def push(self, image: bytes, *, policy: FullPolicy = FullPolicy.BLOCK) -> Frame:
        """Push one frame, as a camera does: wait for room, ring when told to."""
        frame = Frame.capture(LINE, "top", len(self.sent), image, "image/png")
        stream = FrameStream(self.redis, LINE, StreamLimits(max_frames=200))
        while not (pushed := stream.push(frame, policy)).accepted:
            time.sleep(0.005)
        if pushed.ring:
            Doorbell(self.redis).call_worker(LINE)
        self.sent.append(frame.frame_id)
        return frame

    def verdicts(self) -> list[UUID]:
        with Session(self.engine) as session:
            return list(session.scalars(select(Inspection.frame_id)))

    def quarantined(self) -> list[QuarantinedFrame]:
        with Session(self.engine) as session:
            return list(session.scalars(select(QuarantinedFrame)))

    def wait_until(self, done: Callable[[], bool], timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline:
                log = (self.home / "processes.log").read_text()[-3000:]
                raise AssertionError(
                    f"{len(self.verdicts())} verdicts of {len(self.sent)} frames, "
                    f"{len(self.quarantined())} in quarantine, after {timeout_s} s\n{log}"
                )
            time.sleep(0.05)

    def wait_for_all_verdicts(self, timeout_s: float = 60) -> None:
        def all_there() -> bool:
            try:
                return len(self.verdicts()) >= len(self.sent)
            except DatabaseUnavailable:
                return False

        self.wait_until(all_there, timeout_s)

    def kill_redis(self) -> None:
        process = embedded.embedded_server(self.home).process()
        assert process is not None
        process.kill()
        process.wait(10)

    def start_redis(self) -> None:
        embedded.start(self.home, appendfsync=APPENDFSYNC)


def register_line(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        add_line(session, LINE, actor=trusted("test"))
        line = get_line(session, LINE)
        version = add_model_version(
            session,
            line,
            artifact_path="/nowhere",
            manifest={
                "detector": "brightness",
                "backbone": "none",
                "thresholds": {"review": 0.5, "reject": 0.8},
            },
            manifest_sha256="0" * 64,
            actor=trusted("test"),
        )
        activate(session, line, version.number, actor=trusted("test"))


@pytest.fixture
def make_plant(tmp_path: Path) -> Iterator[Callable[[str], Plant]]:
    """Builds a system on a database address; everything it started ends with the test."""
    made: list[Plant] = []

    def make(database_url: str) -> Plant:
        (tmp_path / "store").mkdir()
        server, _ = embedded.start(tmp_path, appendfsync=APPENDFSYNC)
        migrate.upgrade(database_url)
        engine = make_engine(database_url)
        register_line(engine)
        redis = Redis.from_url(server.url)
        plant = Plant(tmp_path, database_url, engine, server.url, redis)
        made.append(plant)
        return plant

    yield make
    for plant in made:
        for process in plant.processes:
            process.kill()
            process.wait()
        plant.redis.close()
        plant.engine.dispose()
        embedded.stop(plant.home)


@pytest.fixture
def plant(make_plant: Callable[[str], Plant], tmp_path: Path) -> Plant:
    """A system on SQLite."""
    return make_plant(f"sqlite:///{tmp_path / 'linewatch.db'}")


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server from the machine's PostgreSQL programs."""
    binaries = programs()
    if binaries is None:
        reason = "there are no PostgreSQL server programs on this machine"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with postgres_server(binaries) as server:
        yield server
