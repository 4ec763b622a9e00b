"""The schedule: RQ's cron, enqueueing our jobs as JSON.

Two schedulers by mistake do no harm: every job is idempotent.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.cron import CronJob, CronScheduler
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.utils import now

from ingest.doorbell import SCORE_QUEUE
from workers.jobs import RETAIN_JOB, SCHEDULE_RETRAININGS_JOB, SWEEP_JOB

if TYPE_CHECKING:
    from collections.abc import Callable

    from rq.job import Job

log = structlog.get_logger()

RESTART_PAUSE_S = 1.0
#: A run deletes some ten thousand pictures at most, more than a line keeps in this time.
RETAIN_INTERVAL_S = 300
#: RQ's own limit.
MAX_SLEEP_S = 60
#: Workers may all be busy for a drain's time budget, and then with what it was doing.
LONGEST_WAIT_S = 60


class NamedCronJob(CronJob):
    """A cron job that enqueues a function by name, as JSON; RQ's own would pickle."""

    def enqueue(self, connection: Redis) -> Job:
        """Enqueue one run; runs that nobody took pile up no further than their time to live.

        At the front: behind many busy lines it would never get its turn.
        """
        queue = Queue(self.queue_name, connection=connection, serializer=JSONSerializer)
        return queue.enqueue(self.func_name, *self.args, at_front=True, **self.job_options)

    def should_run(self) -> bool:
        """Whether it is due; also when the clock was put back, or it would wait for that hour."""
        latest = self.latest_enqueue_time
        return (latest is not None and latest > now()) or super().should_run()


class Schedule(CronScheduler):
    """Our schedule; remembers that it was asked to stop."""

    stop_asked = False
    turned: Callable[[], None] = staticmethod(lambda: None)

    def add(self, function: str, *, every_s: int, queue: str = SCORE_QUEUE) -> None:
        """Run `function` on `queue` every `every_s` seconds."""
        self._cron_jobs.append(
            NamedCronJob(
                queue_name=queue,
                func_name=function,
                interval=every_s,
                job_timeout=60,
                result_ttl=0,
                ttl=max(2 * every_s, LONGEST_WAIT_S),
                failure_ttl=3600,
            )
        )

    def _request_stop(self, signum: int, frame: object) -> None:
        self.stop_asked = True
        super()._request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def calculate_sleep_interval(self) -> float:
        """Seconds to sleep, never longer than the shortest interval, whatever the clock says."""
        self.turned()
        intervals = [job.interval or MAX_SLEEP_S for job in self._cron_jobs]
        return min(super().calculate_sleep_interval(), *intervals)


def run_scheduler(
    *,
    redis_url: str,
    sweep_interval_s: int = 5,
    retrain_interval_s: int = 30,
    turned: Callable[[], None] = lambda: None,
) -> None:
    """Run the schedule until SIGTERM or SIGINT; a lost Redis is waited for.

    Args:
        redis_url: where jobs are enqueued.
        sweep_interval_s: between two looks for waiting lines.
        retrain_interval_s: between two looks for due retrainings.
        turned: called with every turn of the loop, also while Redis is away.
    """
    redis = Redis.from_url(redis_url)
    try:
        while True:
            turned()
            schedule = Schedule(redis, logging_level="WARNING")
            schedule.turned = turned
            schedule.add(SWEEP_JOB, every_s=sweep_interval_s)
            schedule.add(SCHEDULE_RETRAININGS_JOB, every_s=retrain_interval_s)
            schedule.add(RETAIN_JOB, every_s=RETAIN_INTERVAL_S)
            log.info("scheduler.started")
            try:
                schedule.start()  # type: ignore[no-untyped-call]
            except RedisError as exc:
                log.warning("scheduler.lost_redis", error=str(exc))
            if schedule.stop_asked:
                return
            time.sleep(RESTART_PAUSE_S)
    except StopRequested:
        return  # the signal came between two rounds
    finally:
        redis.close()
