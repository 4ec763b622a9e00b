"""The job functions a worker may run, by the name they are queued under.

Nothing else that stands in Redis is ever called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.doorbell import DRAIN_JOB
from ingest.frame import check_name
from workers.context import current
from workers.drain import Drain
from workers.sweep import sweep_lines

if TYPE_CHECKING:
    from collections.abc import Callable

SWEEP_JOB = "workers.jobs.sweep"


def score_line(line: str) -> int:
    """Score what waits in the stream of `line`; returns the number of entries finished."""
    if not isinstance(line, str):
        raise TypeError(f"line must be a name, got {type(line).__name__}")
    return Drain(current(), check_name("line", line)).run()


def sweep() -> list[str]:
    """Ring for lines whose frames wait unheard; returns their names."""
    return sweep_lines(current())


ALLOWED_JOBS: dict[str, Callable[..., object]] = {DRAIN_JOB: score_line, SWEEP_JOB: sweep}
