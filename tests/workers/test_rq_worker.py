"""What a worker runs, and what it refuses to."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

import pytest
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.errors import DatabaseUnavailable
from db.tables import Inspection
from ingest.doorbell import SCORE_QUEUE, Doorbell
from ingest.stream import FrameStream, FullPolicy
from workers.jobs import ALLOWED_JOBS
from workers.retraining.scheduling import RETRAIN_JOB, RETRAIN_QUEUE
from workers.retraining.trainer import TrainingWorker
from workers.rq_worker import ScoringWorker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from redis import Redis

    from ingest.frame import Frame
    from workers.context import WorkerContext


@pytest.fixture
def queue(redis_client: Redis) -> Queue:
    return Queue(SCORE_QUEUE, connection=redis_client, serializer=JSONSerializer)


def work(redis_client: Redis) -> None:
    """Run a worker until its queue is empty."""
    ScoringWorker(SCORE_QUEUE, redis_client, "w").work(burst=True, logging_level="CRITICAL")


def test_a_rung_bell_ends_in_verdicts(
    context: WorkerContext,
    redis_client: Redis,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    stream = FrameStream(redis_client, "line-4")
    if stream.push(make_frame(), FullPolicy.BLOCK).ring:
        Doorbell(redis_client).call_worker("line-4")

    work(redis_client)

    with Session(context.engine) as session:
        assert session.scalar(select(func.count()).select_from(Inspection)) == 1


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("os.system", ["touch {}"]),
        ("subprocess.check_call", [["touch", "{}"]]),
        ("builtins.exec", ["open('{}', 'w')"]),
        ("workers.jobs.current", []),
        ("workers.drain.Drain", [None, "line-4"]),
    ],
)
def test_a_planted_job_is_refused(
    context: WorkerContext,
    queue: Queue,
    redis_client: Redis,
    tmp_path: Path,
    function: str,
    arguments: list[object],
) -> None:
    trace = tmp_path / "trace"
    filled = [
        [str(trace) if w == "{}" else w for w in a]
        if isinstance(a, list)
        else a.format(trace)
        if isinstance(a, str)
        else a
        for a in arguments
    ]
    job = queue.enqueue(function, *filled)

    work(redis_client)

    assert not trace.exists()
    refreshed = Job.fetch(job.id, connection=redis_client, serializer=JSONSerializer)
    assert refreshed.is_failed
    result = refreshed.latest_result()
    assert result is not None
    assert "JobNotAllowedError" in str(result.exc_string)


def test_callbacks_and_web_addresses_planted_in_a_job_are_ignored(
    context: WorkerContext, queue: Queue, redis_client: Redis, tmp_path: Path
) -> None:
    job = queue.enqueue("workers.jobs.sweep")
    planted = {
        "success_callback_name": "os.getpid",
        "failure_callback_name": "os.getpid",
        "webhooks": '[{"url": "http://127.0.0.1:9", "job_status": "finished"}]',
    }
    redis_client.hset(job.key, mapping=planted)

    seen = ScoringWorker(SCORE_QUEUE, redis_client, "w").job_class.fetch(
        job.id, connection=redis_client, serializer=JSONSerializer
    )

    assert seen.success_callback is None
    assert seen.failure_callback is None
    assert seen.webhooks == []


def test_a_pickle_in_the_queue_is_never_unpickled(
    context: WorkerContext, redis_client: Redis, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    pickling = Queue(SCORE_QUEUE, connection=redis_client)  # RQ's default serializer
    pickling.enqueue("os.system", f"touch {trace}")

    work(redis_client)

    assert not trace.exists()


@pytest.mark.parametrize("line", [7, None, "../etc", "a b", ""])
def test_a_drain_job_with_a_bad_line_name_fails_alone(
    context: WorkerContext, queue: Queue, redis_client: Redis, line: object
) -> None:
    job = queue.enqueue("workers.jobs.score_line", line)

    work(redis_client)

    assert Job.fetch(job.id, connection=redis_client, serializer=JSONSerializer).is_failed


def test_an_outage_of_the_database_leaves_no_failed_jobs(
    context: WorkerContext, redis_client: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(line: str) -> None:
        raise DatabaseUnavailable("the connection broke")

    monkeypatch.setattr(context.models, "get", away)
    Doorbell(redis_client).call_worker("line-4")

    work(redis_client)

    assert queue.failed_job_registry.count == 0
    assert not list(redis_client.scan_iter("rq:job:*"))


@pytest.mark.parametrize("kind", [ScoringWorker, TrainingWorker])
def test_no_command_that_stands_in_redis_is_heard(
    redis_client: Redis, kind: type[ScoringWorker | TrainingWorker]
) -> None:
    worker = (
        ScoringWorker(SCORE_QUEUE, redis_client, "w")
        if kind is ScoringWorker
        else TrainingWorker([RETRAIN_QUEUE], "w", redis_client)
    )
    worker.bootstrap("CRITICAL")
    try:
        for command in (
            {"command": "shutdown"},
            {"command": "kill-horse"},
            {"command": "stop-job", "job_id": "x"},
        ):
            assert redis_client.publish("rq:pubsub:w", json.dumps(command)) == 0  # heard by nobody
    finally:
        worker.teardown()


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[" * 100_000, b"null", b"[]", b'["os.system"]', b'["os.system", null, 7, 7]',
     b'[["os", "system"], null, ["ls"], {}]', b"\x80\x04.", b"\xff\xfe"],
    ids=range(10),
)  # fmt: skip
def test_a_job_of_nonsense_ends_no_worker(
    context: WorkerContext,
    queue: Queue,
    redis_client: Redis,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    data: bytes,
) -> None:
    activate_version()
    FrameStream(redis_client, "line-4").push(make_frame(), FullPolicy.BLOCK)
    planted = queue.enqueue("workers.jobs.sweep")
    redis_client.hset(planted.key, "data", zlib.compress(data))
    Doorbell(redis_client).call_worker("line-4")

    work(redis_client)

    with Session(context.engine) as session:
        assert session.scalar(select(func.count()).select_from(Inspection)) == 1


@pytest.mark.parametrize("argument", ["1", "../../etc", None, True, 0, -1, 1.0, [1], {"id": 1}])
def test_a_retraining_is_a_number(argument: object) -> None:
    with pytest.raises((TypeError, ValueError), match="retraining_id must be"):
        ALLOWED_JOBS[RETRAIN_JOB](argument)
