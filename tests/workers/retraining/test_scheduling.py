"""The schedule's look at retrainings: due ones are requested once, waiting ones are never lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from db.lines import get_line
from db.retrainings import list_retrainings
from workers.jobs import SCHEDULE_RETRAININGS_JOB, schedule_retrainings
from workers.retraining import scheduling
from workers.retraining.scheduling import RETRAIN_JOB, RETRAIN_QUEUE
from workers.rq_worker import ScoringWorker

if TYPE_CHECKING:
    import pytest
    from redis import Redis

    from db.tables import Retraining
    from tests.workers.retraining.conftest import LearningLine

LINE = "line-4"


def queued(redis: Redis) -> list[tuple[str, tuple[object, ...]]]:
    queue = Queue(RETRAIN_QUEUE, connection=redis, serializer=JSONSerializer)
    return [(job.func_name, tuple(job.args)) for job in queue.jobs]


def all_of(learning: LearningLine) -> list[Retraining]:
    with Session(learning.engine) as session:
        return list_retrainings(session, get_line(session, LINE).id)


def make_due(learning: LearningLine) -> None:
    with Session(learning.engine) as session, session.begin():
        get_line(session, LINE).retrain_after_defects = 4
    learning.label(4, first=400, defect=True)


def test_a_due_line_gets_one_retraining_and_one_job(
    taught: LearningLine, redis_client: Redis
) -> None:
    make_due(taught)

    first, second = schedule_retrainings(), schedule_retrainings()

    newest, _ = all_of(taught)
    assert (newest.reason, newest.state, newest.requested_by) == ("defects", "waiting", "schedule")
    assert (first, second) == ([newest.id], [])
    assert queued(redis_client) == [(RETRAIN_JOB, (newest.id,))]


def test_two_schedules_at_once_do_no_harm(taught: LearningLine, redis_client: Redis) -> None:
    make_due(taught)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: scheduling.schedule(taught.context), range(8)))

    assert len(all_of(taught)) == 2
    assert len(queued(redis_client)) == 1
    assert sum(map(len, done)) == 1


def test_a_flushed_redis_loses_no_waiting_retraining(
    taught: LearningLine, redis_client: Redis
) -> None:
    retraining_id = taught.request()
    schedule_retrainings()
    redis_client.flushdb()

    assert schedule_retrainings() == [retraining_id]

    assert queued(redis_client) == [(RETRAIN_JOB, (retraining_id,))]


def test_a_job_lost_between_queue_and_worker_comes_again(
    taught: LearningLine, redis_client: Redis
) -> None:
    retraining_id = taught.request()
    schedule_retrainings()
    queue = Queue(RETRAIN_QUEUE, connection=redis_client, serializer=JSONSerializer)

    # The job's hash outlives the queue's list by its time to live only.
    assert 0 < queue.jobs[0].get_ttl() <= scheduling.JOB_TTL_S  # type: ignore[operator]
    redis_client.delete(queue.key, queue.jobs[0].key)

    assert schedule_retrainings() == [retraining_id]


def test_one_lines_trouble_leaves_the_others_alone(
    taught: LearningLine, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining_id = taught.request()

    def fail(*_: object) -> None:
        raise RuntimeError("a line's trouble")

    monkeypatch.setattr(scheduling, "is_due", fail)

    assert schedule_retrainings() == [retraining_id]


def test_the_schedules_job_is_one_that_workers_may_run(
    taught: LearningLine, redis_client: Redis
) -> None:
    retraining_id = taught.request()
    Queue("score", connection=redis_client, serializer=JSONSerializer).enqueue(
        SCHEDULE_RETRAININGS_JOB
    )

    ScoringWorker("score", redis_client, "w").work(burst=True, logging_level="CRITICAL")

    assert queued(redis_client) == [(RETRAIN_JOB, (retraining_id,))]
