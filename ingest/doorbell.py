"""The doorbell: one RQ job per line with waiting frames, however many frames there are.

A push that finds the bell silent rings it (a short-lived key) and enqueues one drain job. While a
worker drains, it keeps the bell set, so pushes need not ring; it silences the bell before its last
look, so a frame pushed earlier is found by that look and one pushed later rings anew. A worker that
sees a backlog calls helpers. A bell whose worker died falls silent by itself.

However many call, one job of a line waits at most: it will find the frames of all callers, and a
busy line cannot fill the queue before a quiet line's turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from redis.exceptions import NoPermissionError
from rq import Queue
from rq.serializers import JSONSerializer

from ingest.stream import BELL_TTL_MS

if TYPE_CHECKING:
    from redis import Redis

SCORE_QUEUE = "score"
#: By name: camera hosts must not import the workers' code.
DRAIN_JOB = "workers.jobs.score_line"
DRAIN_TIMEOUT_S = 120
#: A queued drain job nobody took is forgotten; a push or the sweeper rings again. Longer than many
#: busy lines need for a round with one worker.
JOB_TTL_S = 600
HELPER_INTERVAL_MS = 200
#: Lines that rang and whose host may not enqueue jobs: a scoring host does (`workers.relay`).
RINGS_KEY = "linewatch:rings"
#: No more than this are kept; lines whose ring is lost ring again.
MAX_RINGS = 1_000


class Doorbell:
    """Rings scoring workers to a line."""

    #: How long a worker's presence keeps the bell set without being renewed.
    attendance_s = 3.0

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queue = Queue(SCORE_QUEUE, connection=redis, serializer=JSONSerializer)

    def call_worker(self, line: str) -> None:
        """Enqueue one drain job, unless one waits already; the caller has rung the bell.

        A host that may only push its own lines' frames leaves that to a scoring host.
        """
        try:
            is_called = self._is_called(line)
        except NoPermissionError:
            self._redis.lpush(RINGS_KEY, line)
            self._redis.ltrim(RINGS_KEY, 0, MAX_RINGS - 1)
            return
        if is_called:
            return
        job = self._queue.enqueue(
            DRAIN_JOB,
            line,
            job_timeout=DRAIN_TIMEOUT_S,
            result_ttl=0,
            failure_ttl=3600,
            ttl=JOB_TTL_S,
            description=f"drain {line}",
        )
        self._redis.set(self._called(line), job.id, ex=JOB_TTL_S)

    def _is_called(self, line: str) -> bool:
        """True if the job last called still waits. One that a worker took may not look again."""
        job_id = cast("bytes | None", self._redis.get(self._called(line)))
        if job_id is None:
            return False
        # From the end, where it was put.
        return self._redis.lpos(self._queue.key, job_id.decode(), rank=-1) is not None

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
        if self._redis.set(self._helper(line), "1", nx=True, px=HELPER_INTERVAL_MS):
            self.call_worker(line)

    def forget(self, line: str) -> None:
        """Forget who rang or called when: from now on a push rings, and a worker may call."""
        self._redis.delete(self._bell(line), self._helper(line))

    def others_wait(self) -> bool:
        """True if drain jobs are queued: a worker should not linger where it is."""
        return bool(self._queue.count > 0)

    @staticmethod
    def _called(line: str) -> str:
        return f"linewatch:{line}:called"

    @staticmethod
    def _helper(line: str) -> str:
        return f"linewatch:{line}:helper"

    @staticmethod
    def _bell(line: str) -> str:
        return f"linewatch:{line}:bell"
