"""The job functions a worker may run, by the name they are queued under.

Nothing else that stands in Redis is ever called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError

from db.errors import DatabaseUnavailable
from ingest.doorbell import DRAIN_JOB
from ingest.frame import check_name
from models.errors import ModelError
from workers.context import current
from workers.drain import Drain
from workers.sweep import sweep_lines

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

SWEEP_JOB = "workers.jobs.sweep"
#: Said in one line, and tried again with the next ring. As a failed job, each try would stay in
#: Redis for an hour with its traceback: with many lines, an outage of the database would fill it.
EXPECTED = (DatabaseUnavailable, OperationalError, ModelError)


def score_line(line: str) -> int:
    """Score what waits in the stream of `line`; returns the number of entries finished."""
    if not isinstance(line, str):
        raise TypeError(f"line must be a name, got {type(line).__name__}")
    drain = Drain(current(), check_name("line", line))
    try:
        drain.run()
    except EXPECTED as exc:
        log.error("line.not_scored", line=line, error=str(exc))
    return drain.frames


def sweep() -> list[str]:
    """Ring for lines whose frames wait unheard; returns their names."""
    try:
        return sweep_lines(current())
    except EXPECTED as exc:
        log.error("lines.not_swept", error=str(exc))
        return []


ALLOWED_JOBS: dict[str, Callable[..., object]] = {DRAIN_JOB: score_line, SWEEP_JOB: sweep}
