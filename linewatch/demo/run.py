"""The demo from its start to its end."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import psutil
from rq import Worker
from sqlalchemy.orm import Session

from db.engine import make_engine
from db.migrate import upgrade
from db.store import ImageStore
from ingest.camera import Camera, CameraConfig
from ingest.connection import connect
from ingest.doorbell import Doorbell
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from linewatch import embedded
from linewatch.connect import store_url
from linewatch.demo.cameras import CameraThread
from linewatch.demo.cells import CellSource, interleave, share_out
from linewatch.demo.children import Children
from linewatch.demo.display import Display, Standing
from linewatch.demo.goods import add_goods
from linewatch.demo.guards import deaf_to_signals, interrupted_by_signals, only_demo
from linewatch.demo.ledger import Ledger, VerdictReader
from linewatch.demo.preparing import (
    child_environment,
    demo_settings,
    prepare_line,
    prepare_model,
)
from linewatch.errors import DemoError
from linewatch.services import check_login, check_port
from models.artifact import load_manifest
from models.datasets import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis
    from sqlalchemy import Engine

    from linewatch.settings import Settings
    from models.datasets import Dataset
    from models.detector import Preset

LINE = "demo-line"
CAMERAS = ("left", "right")
#: Small, so that a frame's way through the system is short although the cameras never pause.
STREAM_FRAMES = 12
POLL_S = 0.25
WORKERS_READY_TIMEOUT_S = 180.0
#: Without a new verdict for this long, what is open counts as lost. Well above the time after
#: which a dead worker's frames go to another.
STALL_TIMEOUT_S = 120.0
#: The same after Ctrl-C.
END_PATIENCE_S = 10.0


@dataclass(frozen=True)
class DemoOptions:
    """What the command line says."""

    #: None: stream until Ctrl-C.
    frames: int | None
    #: Frames per second of all cameras together; None: as fast as the workers keep up.
    fps: float | None
    detector: str
    data: str
    preset: Preset
    dashboard: bool


def run_demo(base: Settings, options: DemoOptions) -> tuple[dict[str, Any], bool]:
    """Run the demo; returns the figures, and whether it came to its end by itself.

    Raises:
        LinewatchError, ModelError, DbError: whatever keeps it from running; nothing it started is
            left then.
    """
    began = datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    home = base.home / "demo"
    (home / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_demo(home), interrupted_by_signals():
        if options.dashboard:
            check_login("open", base.dashboard_host)
            check_port(base.dashboard_host, base.dashboard_port)
        dataset = open_dataset(options.data)
        if not dataset.test:
            raise DemoError(f"{options.data} has no test images, which the cameras would show")
        model_dir = prepare_model(
            home / "models", dataset, options.data, options.detector, options.preset
        )
        return _Demo(base, options, home, model_dir, dataset, began).run()


class _Demo:
    """One run: what is open in it, and in which order it is closed."""

    def __init__(
        self,
        base: Settings,
        options: DemoOptions,
        home: Path,
        model_dir: Path,
        dataset: Dataset,
        began: datetime,
    ) -> None:
        server = embedded.embedded_server(home)
        self._settings = demo_settings(base, home, server.url)
        self._options = options
        self._home = home
        self._model_dir = model_dir
        self._dataset = dataset
        self._began = began
        self._ledger = Ledger()
        self._cameras: CameraThread | None = None
        self._children = Children(home / "logs", child_environment(self._settings), home)

    def run(self) -> tuple[dict[str, Any], bool]:
        """Start everything, watch it, end everything."""
        engine = make_engine(self._settings.database_url)
        redis = connect(self._settings.redis_url)
        try:
            embedded.start(
                self._home,
                max_memory_mib=self._settings.embedded_max_memory_mib,
                appendfsync=self._settings.embedded_appendfsync,
            )
            redis.flushdb()  # frames and worker names of a demo that was killed
            self._prepare_database(engine)
            self._start_children()
            self._await_workers(redis)
            if self._options.dashboard:
                # After the scoring workers, which were counted.
                self._children.start("trainer", "trainer")
            stream = FrameStream(redis, LINE, StreamLimits(max_frames=STREAM_FRAMES))
            self._cameras = CameraThread(self._open_cameras(redis, stream))
            self._cameras.start()
            finished = self._watch(engine, stream)
            return self._figures(stream), finished
        finally:
            with deaf_to_signals():
                if self._cameras is not None:
                    self._cameras.stop()
                self._children.stop()
                redis.close()
                engine.dispose()
                embedded.stop(self._home)

    def _prepare_database(self, engine: Engine) -> None:
        store = ImageStore(store_url(self._settings))
        upgrade(self._settings.database_url)
        with Session(engine) as session, session.begin():
            line_id = prepare_line(session, LINE, self._model_dir)
            if self._options.dashboard:
                add_goods(session, store, line_id, self._dataset)
            self._reader = VerdictReader(session, line_id)

    def _start_children(self) -> None:
        click.echo(f"starting {self._settings.worker_processes} scoring workers")
        self._children.start("worker", "worker")
        self._children.start("scheduler", "scheduler")
        if self._options.dashboard:
            self._children.start("dashboard", "dashboard")
            click.echo(f"dashboard: {self._address}")

    @property
    def _address(self) -> str | None:
        if not self._options.dashboard:
            return None
        return f"http://{self._settings.dashboard_host}:{self._settings.dashboard_port}"

    def _await_workers(self, redis: Redis) -> None:
        """Wait until every worker has its model loaded, so that no frame's time counts that."""
        deadline = time.monotonic() + WORKERS_READY_TIMEOUT_S
        wanted = self._settings.worker_processes
        while len(Worker.all_keys(connection=redis)) < wanted:
            self._children.check()
            if time.monotonic() > deadline:
                log = self._children.log_file("worker")
                raise DemoError(f"the scoring workers do not come up: see {log}")
            time.sleep(0.1)

    def _open_cameras(self, redis: Redis, stream: FrameStream) -> list[Camera]:
        shares = share_out(interleave(self._dataset.test), len(CAMERAS), self._options.frames)
        doorbell = Doorbell(redis)
        fps = self._options.fps / len(CAMERAS) if self._options.fps else None
        return [
            Camera(
                CameraConfig(
                    line=LINE,
                    camera=name,
                    source=self._options.data,
                    policy=FullPolicy.BLOCK,
                    max_fps=fps,
                    block_timeout_s=STALL_TIMEOUT_S,
                ),
                CellSource(share, self._ledger),
                stream,
                doorbell,
            )
            for name, share in zip(CAMERAS, shares, strict=True)
            if share.samples
        ]

    def _watch(self, engine: Engine, stream: FrameStream) -> bool:
        """Book verdicts until all frames have theirs; False if Ctrl-C came first."""
        assert self._cameras is not None  # noqa: S101 - started just before
        with Display() as display, Session(engine) as session:
            try:
                self._follow(session, stream, display, STALL_TIMEOUT_S)
                return True
            except KeyboardInterrupt:
                click.echo("ending: the frames under way get their verdict")
            with suppress(KeyboardInterrupt):
                self._cameras.stop()
                self._follow(session, stream, display, END_PATIENCE_S)
            return False

    def _follow(
        self, session: Session, stream: FrameStream, display: Display, patience_s: float
    ) -> None:
        """Book verdicts until all frames have theirs, or none came for `patience_s`."""
        assert self._cameras is not None  # noqa: S101
        progressed_at = time.monotonic()
        while True:
            sending = self._cameras.is_running()
            judged, full_page = self._reader.read(session, self._ledger)
            if judged:
                progressed_at = time.monotonic()
            if full_page:
                continue
            display.show(self._standing(stream))
            if not sending and self._ledger.lost <= self._reader.quarantined(session):
                return
            self._children.check()
            if time.monotonic() - progressed_at > patience_s:
                return
            time.sleep(POLL_S)

    def _standing(self, stream: FrameStream) -> Standing:
        status = stream.status()
        return Standing(
            sent=self._ledger.sent,
            wanted=self._options.frames,
            judged=self._ledger.judged,
            by_verdict=self._ledger.by_verdict,
            lag=status.waiting + status.pending,
            address=self._address,
        )

    def _figures(self, stream: FrameStream) -> dict[str, Any]:
        """The keys of `demo --json`; a figure that cannot be had is None."""
        ledger = self._ledger
        manifest = load_manifest(self._model_dir)
        latencies = stream.latencies_ms()
        p50, p99 = np.percentile(latencies, [50, 99]).tolist() if latencies else (None, None)
        first = ledger.first_recorded_at
        return {
            "frames_sent": ledger.sent,
            "frames_scored": ledger.scored,
            "frames_lost": ledger.lost,
            "duplicates": ledger.duplicates,
            "dropped": sum(camera.dropped for camera in stream.status().cameras.values()),
            "image_auroc": ledger.image_auroc,
            "fps": ledger.verdicts_per_s,
            "latency_ms_p50": p50,
            "latency_ms_p99": p99,
            "seconds_to_first_verdict": (first - self._began).total_seconds() if first else None,
            "detector": manifest.detector,
            "backbone": manifest.backbone,
        }
