"""The schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rq import Queue
from rq.serializers import JSONSerializer
from rq.utils import now

from ingest.doorbell import SCORE_QUEUE, Doorbell
from workers.jobs import SWEEP_JOB
from workers.schedule import Schedule

if TYPE_CHECKING:
    from redis import Redis


def test_a_sweep_does_not_wait_behind_busy_lines_nor_expire_during_their_drain(
    redis_client: Redis,
) -> None:
    Doorbell(redis_client).call_worker("busy")
    schedule = Schedule(redis_client)
    schedule.add(SWEEP_JOB, every_s=5)

    schedule.enqueue_jobs()

    queue = Queue(SCORE_QUEUE, connection=redis_client, serializer=JSONSerializer)
    first = queue.jobs[0]
    assert first.func_name == SWEEP_JOB
    assert (first.get_ttl() or 0) >= 60


def test_a_clock_that_is_put_back_does_not_stop_the_schedule(redis_client: Redis) -> None:
    schedule = Schedule(redis_client)
    schedule.add(SWEEP_JOB, every_s=5)
    (job,) = schedule.get_jobs()

    job.set_enqueue_time(now() + timedelta(hours=1))

    assert schedule.calculate_sleep_interval() == 5
    assert schedule.enqueue_jobs() == [job]
    assert schedule.enqueue_jobs() == []
