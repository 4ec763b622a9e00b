"""RQ with what a factory needs: only our job functions, JSON instead of pickle, a warm process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker, SimpleWorker

from workers.errors import JobNotAllowedError
from workers.jobs import ALLOWED_JOBS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from redis import Redis

#: RQ's default is ten minutes: too long for jobs whose worker died.
MAINTENANCE_INTERVAL_S = 30
WORKER_TTL_S = 60
#: How long a worker without a job waits at most. A signal that comes just before it waits, or that
#: the system gives to another thread, is heard only then; RQ's own would be 45 s here.
DEQUEUE_TIMEOUT_S = 5


class AllowListedJob(Job):
    """A job that can only be one of ours; RQ would call whatever name stands in Redis."""

    @property
    def func(self) -> Callable[..., object]:
        """The allow-listed function; raises JobNotAllowedError for any other, and for methods."""
        name = self.func_name
        if self.instance is not None or name not in ALLOWED_JOBS:
            raise JobNotAllowedError(str(name))
        return ALLOWED_JOBS[name]

    def restore(self, raw_data: dict[str, Any]) -> None:
        """Read the job from Redis, without the callbacks and web addresses it might name."""
        unwanted = ("callback", "webhooks")
        kept = {key: value for key, value in raw_data.items() if not _names(key, unwanted)}
        super().restore(kept)


def _names(key: str | bytes, words: tuple[str, ...]) -> bool:
    text = key.decode(errors="replace") if isinstance(key, bytes) else key
    return any(word in text for word in words)


class FactoryWorker(BaseWorker):
    """What all our workers differ in from RQ's."""

    #: RQ's default is a minute: frames would wait as long after Redis is back.
    max_connection_wait_time = 5.0

    @property
    def dequeue_timeout(self) -> int:
        """Seconds to wait for a job before looking around."""
        return DEQUEUE_TIMEOUT_S

    def subscribe(self) -> None:
        """Take no commands through Redis: whoever can write there would give them."""


class ScoringWorker(FactoryWorker, SimpleWorker):
    """Runs drain jobs in its own process, so that the model stays loaded between them."""

    def __init__(self, queue: str, connection: Redis, name: str) -> None:
        super().__init__(
            [queue],
            name=name,
            connection=connection,
            job_class=AllowListedJob,
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_INTERVAL_S,
            worker_ttl=WORKER_TTL_S,
            log_job_description=False,
        )
        self.stop_asked = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the batch in hand, then stop (SIGTERM, SIGINT)."""
        self.stop_asked = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]
