"""The doorbell: one RQ job per line with waiting frames, however many frames there are.

A push that finds the bell silent rings it (a short-lived key) and enqueues one drain job. While a
worker drains, it keeps the bell set, so pushes need not ring; it silences the bell before its last
look, so a frame pushed earlier is found by that look and one pushed later rings anew. A worker that
sees a backlog calls helpers. A bell whose worker died falls silent by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq import Queue
from rq.serializers import JSONSerializer

from ingest.stream import BELL_TTL_MS

if TYPE_CHECKING:
    from redis import Redis

SCORE_QUEUE = "score"
#: By name: cameras hosts must not import the workers' code.
DRAIN_JOB = "workers.jobs.score_line"
DRAIN_TIMEOUT_S = 120
#: A queued drain job nobody took is forgotten; a push or the sweeper rings again.
JOB_TTL_S = 60
HELPER_INTERVAL_MS = 200


class Doorbell:
    """Rings scoring workers to a line."""

    #: How long a worker's presence keeps the bell set without being renewed.
    attendance_s = 3.0

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queue = Queue(SCORE_QUEUE, connection=redis, serializer=JSONSerializer)

    def call_worker(self, line: str) -> None:
        """Enqueue one drain job; the caller has rung the bell."""
        self._queue.enqueue(
            DRAIN_JOB,
            line,
            job_timeout=DRAIN_TIMEOUT_S,
            result_ttl=0,
            failure_ttl=3600,
            ttl=JOB_TTL_S,
            description=f"drain {line}",
        )

    def ring(self, line: str) -> bool:
        """Ring the bell of `line` and call a worker; False if it rang already."""
        if not self._redis.set(self._bell(line), "1", nx=True, px=BELL_TTL_MS):
            return False
        self.call_worker(line)
        return True

    def attend(self, line: str) -> None:
        """Say that a worker drains `line`: for `attendance_s`, pushes need not ring."""
        self._redis.set(self._bell(line), "1", px=int(self.attendance_s * 1000))

    def hush(self, line: str) -> None:
        """Silence the bell: from now on a push rings."""
        self._redis.delete(self._bell(line))

    def call_helper(self, line: str) -> None:
        """Call one more worker to a line with a backlog, at most once in `HELPER_INTERVAL_MS`."""
        key = f"linewatch:{line}:helper"
        if self._redis.set(key, "1", nx=True, px=HELPER_INTERVAL_MS):
            self.call_worker(line)

    def others_wait(self) -> bool:
        """True if drain jobs are queued: a worker should not linger where it is."""
        return bool(self._queue.count > 0)

    @staticmethod
    def _bell(line: str) -> str:
        return f"linewatch:{line}:bell"
