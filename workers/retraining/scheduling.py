"""What the schedule does for retrainings: end dead ones, request due ones, enqueue waiting ones.

Every step may be done by two at once, and again: one retraining a line is what the database allows,
a job of each is what RQ allows, and a second job of the same finds nothing that waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from db import retrainings
from db.access import trusted
from db.errors import Conflict
from db.lines import list_lines
from db.tables import utc_now
from workers.errors import INTERRUPTIONS
from workers.labelling import complete_all
from workers.retraining.due import detector_for, is_due

if TYPE_CHECKING:
    from redis import Redis

    from db.tables import Line
    from workers.context import WorkerContext

log = structlog.get_logger()

RETRAIN_QUEUE = "retrain"
RETRAIN_JOB = "workers.jobs.retrain"
SCHEDULE = trusted("schedule")
#: A retraining that was not heard of for so long is dead; it says something every few seconds.
SILENT_S = 180.0
#: A hanging training ends then.
LONGEST_TRAINING_S = 12 * 3600
#: Then a job that waits is forgotten and enqueued anew, so that one lost in a crash is found.
JOB_TTL_S = 3600
FAILED_JOB_TTL_S = 60
#: Pictures of one line that a run of the schedule looks at: the worker has frames to score.
MOST_PICTURES = 10


def schedule(context: WorkerContext) -> list[int]:
    """Look after the retrainings of all lines; returns those that were enqueued."""
    with Session(context.engine) as session, session.begin():
        for retraining_id in retrainings.fail_silent(session, now=utc_now(), silent_s=SILENT_S):
            log.error("retraining.silent", id=retraining_id)
    # New samples count only once they have their side.
    complete_all(context, limit=MOST_PICTURES)
    with Session(context.engine) as session:
        lines = list_lines(session)
    for line in lines:
        try:
            _request_if_due(context, line)
        except INTERRUPTIONS:
            raise
        except Exception:  # one line's trouble is no reason to leave out the others
            log.exception("retraining.not_requested", line=line.name)
    with Session(context.engine) as session:
        waiting = retrainings.waiting_ids(session)
    return [one for one in waiting if enqueue(context.redis, one)]


def enqueue(redis: Redis, retraining_id: int) -> bool:
    """Hand a waiting retraining to the trainers; False if it is in their queue already."""
    queue = Queue(RETRAIN_QUEUE, connection=redis, serializer=JSONSerializer)
    try:
        queue.enqueue(
            RETRAIN_JOB,
            retraining_id,
            job_id=f"retrain-{retraining_id}",
            unique=True,
            job_timeout=LONGEST_TRAINING_S,
            ttl=JOB_TTL_S,
            result_ttl=0,
            failure_ttl=FAILED_JOB_TTL_S,
        )
    except DuplicateJobError:
        return False
    return True


def _request_if_due(context: WorkerContext, line: Line) -> None:
    with Session(context.engine) as session, session.begin():
        reason = is_due(session, line, utc_now())
        if reason is None:
            return
        try:
            with session.begin_nested():
                detector = detector_for(session, line)
                retrainings.request(session, line, reason=reason, actor=SCHEDULE, detector=detector)
        except Conflict:
            return  # somebody was faster
    log.info("retraining.requested", line=line.name, reason=reason.value)
