"""The job functions a worker may run, by the name they are queued under.

Nothing else that stands in Redis is ever called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError
from structlog.contextvars import bound_contextvars

from db.errors import DatabaseUnavailable, StoreError
from ingest.doorbell import DRAIN_JOB
from ingest.frame import check_name
from models.errors import ModelError
from workers.context import current
from workers.drain import Drain
from workers.errors import NotBoundError
from workers.retention import retain as retain_pictures
from workers.retraining.scheduling import RETRAIN_JOB, schedule
from workers.sweep import sweep_lines

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

SWEEP_JOB = "workers.jobs.sweep"
RETAIN_JOB = "workers.jobs.retain"
SCHEDULE_RETRAININGS_JOB = "workers.jobs.schedule_retrainings"
#: Said in one line, and tried again with the next ring. As a failed job, each try would stay in
#: Redis for an hour with its traceback: with many lines, an outage of the database would fill it.
EXPECTED = (DatabaseUnavailable, OperationalError, StoreError, ModelError)


def score_line(line: str) -> int:
    """Score what waits in the stream of `line`; returns the number of entries finished."""
    if not isinstance(line, str):
        raise TypeError(f"line must be a name, got {type(line).__name__}")
    drain = Drain(current(), check_name("line", line))
    with bound_contextvars(line=line):
        try:
            drain.run()
        except EXPECTED as exc:
            log.error("line.not_scored", error=str(exc))
    return drain.frames


def sweep() -> list[str]:
    """Ring for lines whose frames wait unheard; returns their names."""
    try:
        return sweep_lines(current())
    except EXPECTED as exc:
        log.error("lines.not_swept", error=str(exc))
        return []


def retain() -> int:
    """Delete old pictures that nobody needs; returns how many frames let go of theirs."""
    context = current()
    try:
        return retain_pictures(context, context.retention).frames
    except EXPECTED as exc:
        log.error("pictures.not_deleted", error=str(exc))
        return 0


def schedule_retrainings() -> list[int]:
    """Request retrainings that are due and enqueue those that wait; returns the latter's ids."""
    try:
        return schedule(current())
    except EXPECTED as exc:
        log.error("retrainings.not_scheduled", error=str(exc))
        return []


def retrain(retraining_id: int) -> str | None:
    """Do a waiting retraining; returns its end."""
    if isinstance(retraining_id, bool) or not isinstance(retraining_id, int):
        kind = type(retraining_id).__name__
        raise TypeError(f"retraining_id must be a whole number, got {kind}")
    if retraining_id < 1:
        raise ValueError(f"retraining_id must be 1 or more, got {retraining_id}")
    context = current()
    if context.training is None:
        raise NotBoundError("this job runs only in a trainer: start one with `linewatch trainer`")
    # Here, not above: it loads torch, which scoring does without.
    from workers.retraining.run import run_retraining

    return run_retraining(context, context.training, retraining_id)


ALLOWED_JOBS: dict[str, Callable[..., object]] = {
    DRAIN_JOB: score_line,
    SWEEP_JOB: sweep,
    RETAIN_JOB: retain,
    SCHEDULE_RETRAININGS_JOB: schedule_retrainings,
    RETRAIN_JOB: retrain,
}
