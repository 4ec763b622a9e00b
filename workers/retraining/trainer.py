"""The trainer: an RQ worker of its own queue that gives every job a fresh process.

RQ's SpawnWorker spawns, since forking after CUDA or torch threads breaks the child. Its own child
is given the Redis password on its command line, where every user of the machine can read it, and
knows nothing of our connections; so ours is another program, which reads the settings for itself.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.serializers import JSONSerializer
from rq.worker import SpawnWorker
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db import retrainings
from db.engine import make_engine
from db.errors import DbError
from db.splitting import GOLDEN_SHARE
from db.store import ImageStore
from db.tables import RetrainingState
from workers.active_models import ActiveModels
from workers.config import ScoringConfig
from workers.context import WorkerContext, bind
from workers.entry import model_loader
from workers.errors import WorkerError
from workers.retraining.scheduling import RETRAIN_JOB, RETRAIN_QUEUE
from workers.rq_worker import (
    MAINTENANCE_INTERVAL_S,
    WORKER_TTL_S,
    AllowListedJob,
    FactoryWorker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    from rq import Queue
    from rq.job import Job
    from sqlalchemy import Engine

    from workers.retraining.config import TrainingConfig

log = structlog.get_logger()

#: Pause before a trainer that lost Redis begins again.
RESTART_PAUSE_S = 1.0
#: How often the child is looked at. RQ's default is half a minute, and a signal that comes in just
#: the wrong moment is heard with the next look.
MONITORING_INTERVAL_S = 5
#: What the child finds its job by.
WORKER, JOB, EXECUTION = "RQ_WORKER_ID", "RQ_JOB_ID", "RQ_EXECUTION_ID"


class TrainingWorker(FactoryWorker, SpawnWorker):
    """Runs each training in a process that `horse_command` starts."""

    def __init__(self, queues: Sequence[str], name: str, connection: Redis, **more: Any) -> None:
        """RQ makes one in the child too, with `more` of its own."""
        more |= {"job_class": AllowListedJob, "serializer": JSONSerializer}
        super().__init__(
            queues,
            name=name,
            connection=connection,
            maintenance_interval=MAINTENANCE_INTERVAL_S,
            worker_ttl=WORKER_TTL_S,
            log_job_description=False,
            job_monitoring_interval=MONITORING_INTERVAL_S,
            **more,
        )
        self.stop_asked = False
        self.horse_command: Sequence[str] = ()
        self.horse_environment: Mapping[str, str] = {}
        self.engine: Engine | None = None
        self.turned: Callable[[], None] = lambda: None

    def heartbeat(self, *arguments: Any, **more: Any) -> None:
        """RQ calls it with every turn, whether it waits, trains, or tries to reach Redis."""
        self.turned()
        super().heartbeat(*arguments, **more)

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Start the child; see the module's docstring."""
        assert self.execution is not None  # noqa: S101 - RQ has just made it
        told = {WORKER: self.name, JOB: job.id, EXECUTION: self.execution.id}
        command = list(self.horse_command)
        # A group of its own: Ctrl-C reaches the trainer alone.
        self._horse_pid = os.posix_spawn(
            command[0], command, {**os.environ, **self.horse_environment, **told}, setpgroup=0
        )
        log.info("trainer.child_started", pid=self._horse_pid, job=job.id)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop (SIGTERM, SIGINT): a training under way goes back to those that wait."""
        self.stop_asked = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def handle_warm_shutdown_request(self) -> None:
        """RQ would wait for the training, which may take an hour."""
        if self.horse_pid:
            self.kill_horse(signal.SIGKILL)

    def handle_work_horse_killed(self, job: Job, retpid: int, ret_val: int, rusage: Any) -> None:
        """Say so in the retraining's row at once: nobody else can."""
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)  # type: ignore[no-untyped-call]
        if self.engine is None or job.func_name != RETRAIN_JOB:
            return
        try:
            with Session(self.engine) as session, session.begin():
                _child_ended(session, int(job.args[0]), ret_val, stopped=self.stop_asked)
        except (DbError, SQLAlchemyError):  # then it counts as silent in a while
            log.warning("retraining.not_ended", job=job.id, exc_info=True)


def _child_ended(session: Session, retraining_id: int, status: int, *, stopped: bool) -> None:
    if stopped and retrainings.give_back(session, retraining_id):
        log.info("retraining.given_back", id=retraining_id)
        return
    row = retrainings.get_retraining(session, retraining_id)
    if row.cancel_asked_at is not None:
        state, message = RetrainingState.CANCELLED, f"cancelled by {row.cancel_asked_by}"
    else:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {status}"
        state, message = (
            RetrainingState.FAILED,
            f"its process ended in stage {row.stage!r} ({how}): too little memory, or it was "
            "killed; the line's model is untouched",
        )
    retrainings.finish(session, retraining_id, state, message=message)


def run_trainer(
    *,
    redis_url: str,
    database_url: str,
    horse_command: Sequence[str],
    horse_environment: Mapping[str, str] | None = None,
    burst: bool = False,
    turned: Callable[[], None] = lambda: None,
) -> None:
    """Do retrainings, one after the other, until SIGTERM or SIGINT; a lost Redis is waited for.

    Args:
        horse_command: the absolute command line of a process that calls `run_horse`.
        horse_environment: variables it gets besides this process's.
        burst: end when no job waits.
        turned: called with every turn of the loop, also while a training runs or Redis is away.
    """
    redis = Redis.from_url(redis_url)
    engine = make_engine(database_url)
    name = f"trainer-{socket.gethostname()}-{os.getpid()}"
    try:
        while True:
            turned()
            worker = TrainingWorker([RETRAIN_QUEUE], f"{name}-{uuid4().hex[:4]}", redis)
            worker.engine, worker.turned = engine, turned
            worker.horse_command = horse_command
            worker.horse_environment = dict(horse_environment or {})
            if _work_once(worker, burst=burst) or burst:
                return
            log.warning("trainer.restarts", name=name)
            time.sleep(RESTART_PAUSE_S)
    except StopRequested:
        pass  # the signal came between two rounds
    finally:
        engine.dispose()
        redis.close()


def _work_once(worker: TrainingWorker, *, burst: bool) -> bool:
    """Run until it ends; True if it ended because it was asked to."""
    try:
        log.info("trainer.started", name=worker.name)
        worker.work(logging_level="WARNING", burst=burst)
    except RedisError as exc:
        log.warning("trainer.lost_redis", error=str(exc))
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
    return worker.stop_asked


def _stop(number: int, _frame: FrameType | None) -> None:
    raise StopRequested


def run_horse(
    *,
    redis_url: str,
    database_url: str,
    store_url: str,
    training: TrainingConfig,
    golden_share: float = GOLDEN_SHARE,
) -> None:
    """Do the one job that this process was started for, and end it.

    Raises:
        WorkerError: if no trainer started this process.
    """
    missing = [name for name in (WORKER, JOB, EXECUTION) if name not in os.environ]
    if missing:
        raise WorkerError("only `linewatch trainer` starts this: it lacks " + ", ".join(missing))
    os.nice(training.niceness)
    redis = Redis.from_url(redis_url)
    engine = make_engine(database_url)
    config = ScoringConfig()
    load = model_loader(
        config,
        threads=training.threads,
        device=training.device,
        runtime=training.runtime,
        trusted_keys=training.trusted_keys,
    )
    bind(
        WorkerContext(
            name=os.environ[WORKER],
            redis=redis,
            engine=engine,
            store=ImageStore(store_url),
            models=ActiveModels(engine, load),
            config=config,
            training=training,
            golden_share=golden_share,
        )
    )
    worker = TrainingWorker.find_by_key(
        TrainingWorker.redis_worker_namespace_prefix + os.environ[WORKER], connection=redis
    )
    if worker is None:
        raise WorkerError("the trainer that started this has signed off")
    job = AllowListedJob.fetch(os.environ[JOB], connection=redis, serializer=JSONSerializer)
    queue = worker.queue_class(
        RETRAIN_QUEUE, connection=redis, job_class=AllowListedJob, serializer=JSONSerializer
    )
    execution = Execution.fetch(os.environ[EXECUTION], job.id, connection=redis)
    execution._job = job
    worker.execution = execution
    worker.main_work_horse(job, queue)
