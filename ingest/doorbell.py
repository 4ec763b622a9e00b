"""The doorbell: one RQ job per line with waiting frames, however many frames there are.

A push that finds the bell silent rings it (a short-lived key) and enqueues one drain job. The job silences the bell
before it reads, so a frame pushed earlier is read by it and one pushed later rings anew: none waits for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq import Queue
from rq.serializers import JSONSerializer

from ingest.stream import BELL_TTL_MS, FrameStream

if TYPE_CHECKING:
    from redis import Redis

SCORE_QUEUE = "score"
#: By name: cameras hosts must not import the workers' code.
DRAIN_JOB = "workers.jobs.score_line"
DRAIN_TIMEOUT_S = 120


class Doorbell:
    """Rings scoring workers to a line."""

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
            description=f"drain {line}",
        )

    def ring(self, line: str) -> bool:
        """Ring the bell of `line` and call a worker, unless it rings already; True if it was silent."""
        bell = FrameStream(self._redis, line).bell_key
        if not self._redis.set(bell, "1", nx=True, px=BELL_TTL_MS):
            return False
        self.call_worker(line)
        return True

    def hush(self, line: str) -> None:
        """Silence the bell: from now on a push rings again."""
        self._redis.delete(FrameStream(self._redis, line).bell_key)

    def answer(self, line: str, listening_ms: int) -> None:
        """Say that a worker is listening for the next `listening_ms`, so that pushes need not ring."""
        bell = FrameStream(self._redis, line).bell_key
        self._redis.set(bell, "1", px=listening_ms)

    def others_wait(self) -> bool:
        """True if drain jobs are queued: a worker should not linger where it is."""
        return self._queue.count > 0
