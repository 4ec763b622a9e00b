"""A plant for one run: server, database, image store, and every process of the machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from redis import Redis
from rq import Worker
from rq.registry import StartedJobRegistry
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.loop.processes import COMMAND
from bench.system import System, workers
from db import migrate
from db.engine import make_engine
from db.store import ImageStore
from db.tables import Inspection, QuarantinedFrame
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy
from linewatch import embedded
from models.images import media_type
from workers.config import ScoringConfig
from workers.retraining.scheduling import RETRAIN_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from bench.loop.parts import Frame as PartFrame
    from bench.loop.plan import Plan

LINE = "bench"
CAMERA = "top"
#: Longest wait for a verdict, or a word of the trainer.
PATIENCE_S = 600.0
DATABASE, STORE = "linewatch.db", "store"


class Plant:
    """A running plant with one line and one camera."""

    def __init__(self, place: System, seed: int) -> None:
        self.place = place
        self.engine = place.engine
        self.store = ImageStore(place.store_url)
        self._stream = FrameStream(place.redis, LINE)
        self._doorbell = Doorbell(place.redis)
        self._sequence = self._count()
        self._seed = seed

    def show(self, frames: Iterable[PartFrame]) -> None:
        """Let parts pass the camera, and wait until all of them have their verdict."""
        for one in frames:
            data = one.sample.read()
            frame = Frame.capture(
                LINE,
                CAMERA,
                self._sequence,
                data,
                media_type(data),
                one.part,
                frame_id=_frame_id(self._seed, self._sequence),
            )
            if self._stream.push(frame, FullPolicy.BLOCK).ring:
                self._doorbell.call_worker(LINE)
            self._sequence += 1
        self.wait(lambda: self._count() >= self._sequence, "verdicts of the frames shown")

    def wait(self, is_so: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Look again and again; raises TimeoutError, with the end of the logs."""
        deadline = time.monotonic() + patience_s
        while not is_so():
            if time.monotonic() > deadline:
                logs = [log.read_text()[-1500:] for log in self.place.home.glob("*.log")]
                raise TimeoutError(f"no {what} after {patience_s:.0f} s:\n" + "\n".join(logs))
            time.sleep(0.1)

    def wait_for_trainer(self) -> None:
        """Wait until the process of the last training is gone: it tidies up after its last word."""
        started = StartedJobRegistry(RETRAIN_QUEUE, connection=self.place.redis)
        self.wait(lambda: not started.get_job_ids(cleanup=False), "end of the training's process")

    def _count(self) -> int:
        with Session(self.engine) as session:
            frames = select(func.count(Inspection.frame_id.distinct()))
            refused = select(func.count()).select_from(QuarantinedFrame)
            return (session.scalar(frames) or 0) + (session.scalar(refused) or 0)


@contextmanager
def plant(home: Path, models: Path, plan: Plan, start: Path | None = None) -> Iterator[Plant]:
    """Run a plant in `home`, which is new; its database and pictures begin as those of `start`."""
    home.mkdir(parents=True)
    if start is not None:
        shutil.copytree(start, home, dirs_exist_ok=True)
    (home / STORE).mkdir(exist_ok=True)
    server, _ = embedded.start(home, max_memory_mib=512)
    database_url = f"sqlite:///{home / DATABASE}"
    migrate.upgrade(database_url)
    engine = make_engine(database_url)
    redis = Redis.from_url(server.url)
    place = System(home, server.url, database_url, str(home / STORE), engine, redis)
    try:
        with (
            workers(place, 1, ScoringConfig(pass_image_interval_s=3600, model_check_s=0.2)),
            _process(place, "trainer", _told(place, models, plan)),
            _process(place, "schedule", {"redis_url": place.redis_url}),
        ):
            yield Plant(place, plan.seed)
    finally:
        engine.dispose()
        redis.close()
        embedded.stop(home)


def keep(home: Path, start: Path) -> None:
    """Keep database and pictures of a plant that has ended, for others to begin with."""
    shutil.rmtree(start, ignore_errors=True)
    building = start.with_name(f"{start.name}.unfinished")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    shutil.copytree(home / STORE, building / STORE)
    for file in home.glob(f"{DATABASE}*"):
        shutil.copy2(file, building)
    building.rename(start)


def _told(place: System, models: Path, plan: Plan) -> dict[str, Any]:
    return {
        "redis_url": place.redis_url,
        "database_url": place.database_url,
        "store_url": place.store_url,
        "training": {
            "models_dir": str(models),
            "preset": "fast",
            "backbone": plan.backbone,
            "weights": plan.weights,
            "hyperparameters": dict(plan.settings),
            "runtime": plan.runtime,
            "threads": 1,
            "seed": plan.seed,
            # It has no live line to yield to.
            "niceness": 0,
        },
    }


@contextmanager
def _process(place: System, role: str, told: dict[str, Any]) -> Iterator[None]:
    before = len(Worker.all_keys(connection=place.redis))
    with (place.home / f"{role}.log").open("ab") as log:
        child = subprocess.Popen([*COMMAND, role, json.dumps(told)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while role == "trainer" and len(Worker.all_keys(connection=place.redis)) <= before:
            if time.monotonic() > deadline or child.poll() is not None:
                raise RuntimeError((place.home / f"{role}.log").read_text()[-2000:])
            time.sleep(0.1)
        yield
    finally:
        child.terminate()
        child.wait(60)


def _frame_id(seed: int, sequence: int) -> UUID:
    """A UUIDv7 whose random bits follow from the seed: what is drawn for the audit does too."""
    digest = hashlib.sha256(f"{seed}:{sequence}".encode()).digest()
    number = int.from_bytes(digest[:16])
    number = (number & ((1 << 80) - 1)) | (1_700_000_000_000 + sequence) << 80
    number = number & ~(0xF << 76) | 7 << 76
    return UUID(int=number & ~(3 << 62) | 2 << 62)
