"""A scoring worker process, from its connections to its end."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import StopRequested
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db.engine import make_engine
from db.errors import DbError
from db.lines import list_lines
from db.splitting import GOLDEN_SHARE
from db.store import ImageStore
from ingest.doorbell import SCORE_QUEUE
from models.artifact import manifest_sha256
from models.errors import ArtifactError
from models.scorer import load_scorer
from models.signature import check_signature
from workers.active_models import ActiveModels
from workers.context import WorkerContext, bind
from workers.heartbeat import Heartbeat
from workers.retention import RetentionConfig
from workers.rq_worker import ScoringWorker
from workers.scoring import ModelScorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from db.tables import ModelVersion
    from workers.config import ScoringConfig
    from workers.scoring import FrameScorer

log = structlog.get_logger()

#: Pause before a worker that lost Redis begins again.
RESTART_PAUSE_S = 1.0


def model_loader(
    config: ScoringConfig,
    *,
    threads: int | None,
    device: str,
    runtime: str,
    trusted_keys: Path | None = None,
) -> Callable[[ModelVersion], FrameScorer]:
    """A function that loads a model version's artifact, if it is the one that was registered.

    With `trusted_keys`, a file of them, also only if one of these signed it.
    """

    def load(version: ModelVersion) -> FrameScorer:
        folder = Path(version.artifact_path)
        if manifest_sha256(folder) != version.manifest_sha256:
            raise ArtifactError(
                f"{folder} is not the artifact that was registered as version {version.number}: "
                "its manifest changed; restore it, or add it as a new version"
            )
        if trusted_keys is not None:
            check_signature(folder, trusted_keys)
        scorer = load_scorer(folder, device=device, runtime=runtime, threads=threads)
        return ModelScorer(scorer, max_pixels=config.max_image_pixels)

    return load


def run_worker(
    *,
    redis_url: str,
    database_url: str,
    store_url: str,
    config: ScoringConfig,
    threads: int | None = None,
    device: str = "auto",
    runtime: str = "auto",
    load: Callable[[ModelVersion], FrameScorer] | None = None,
    retention: RetentionConfig | None = None,
    golden_share: float = GOLDEN_SHARE,
    heartbeat: Path | None = None,
    trusted_keys: Path | None = None,
) -> None:
    """Score frames until SIGTERM or SIGINT; a lost Redis or database is waited for.

    Args:
        threads: threads of one scoring run; None leaves it to the runtime.
        load: how to load a model version; None loads its artifact.
        retention: how long pictures are kept; None: for its default times.
        golden_share: share of the labelled frames that models are judged by.
        heartbeat: file of the heartbeat that a pool watches.
        trusted_keys: file of the public keys of which one must have signed a model; None: none.
    """
    redis = Redis.from_url(redis_url)
    engine = make_engine(database_url)
    load = load or model_loader(
        config, threads=threads, device=device, runtime=runtime, trusted_keys=trusted_keys
    )
    context = WorkerContext(
        name=f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}",
        redis=redis,
        engine=engine,
        store=ImageStore(store_url),
        models=ActiveModels(
            engine, load, check_s=config.model_check_s, max_models=config.max_models
        ),
        config=config,
        retention=retention or RetentionConfig(),
        golden_share=golden_share,
        heartbeat=Heartbeat(heartbeat) if heartbeat else None,
    )
    bind(context)
    try:
        warm_up(context)
        while not _work_once(context, redis):
            log.warning("worker.restarts", name=context.name)
            time.sleep(RESTART_PAUSE_S)
    except StopRequested:
        pass  # the signal came between two rounds
    finally:
        bind(None)
        engine.dispose()
        redis.close()


def warm_up(context: WorkerContext) -> None:
    """Load the active models, so that the first frame does not wait for one."""
    try:
        with Session(context.engine) as session:
            lines = [x.name for x in list_lines(session) if x.active_model_version_id is not None]
    except (DbError, SQLAlchemyError):
        log.warning("worker.not_warm", exc_info=True)
        return
    for line in lines[: context.config.max_models]:
        try:
            context.models.get(line)
        except Exception:  # one line's model, however broken, is no reason to fail the others
            log.warning("worker.not_warm", line=line, exc_info=True)  # the drain says it again


def _work_once(context: WorkerContext, redis: Redis) -> bool:
    """Run one RQ worker; True if it ended because it was asked to."""
    worker: ScoringWorker | None = None
    try:
        worker = ScoringWorker(SCORE_QUEUE, redis, f"{context.name}-{uuid4().hex[:4]}")
        context.should_stop = lambda: worker.stop_asked
        log.info("worker.started", name=context.name)
        if context.heartbeat is not None:
            context.heartbeat.rest()
        worker.work(logging_level="WARNING")
    except RedisError as exc:
        log.warning("worker.lost_redis", error=str(exc))
    finally:
        _stop_on_signals()
    return worker is not None and worker.stop_asked


def _stop_on_signals() -> None:
    """Between two rounds a signal ends the process; the old round's handler would only note it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise StopRequested
