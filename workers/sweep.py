"""The sweeper: rings for lines whose frames wait unheard, and keeps every line's status fresh.

It is what makes a lost doorbell, a killed worker and a restarted Redis cost seconds and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session

from db.lines import list_lines
from ingest.clock import forget_times, was_put_back
from ingest.doorbell import Doorbell
from ingest.stream import FrameStream, known_lines
from workers.status import report_status

if TYPE_CHECKING:
    from workers.context import WorkerContext

log = structlog.get_logger()


def sweep_lines(context: WorkerContext) -> list[str]:
    """Look at every line once; returns the lines that were rung for."""
    with Session(context.engine) as session:
        line_ids = {line.name: line.id for line in list_lines(session)}
    doorbell = Doorbell(context.redis)
    put_back = was_put_back(context.redis)
    if put_back:
        log.warning("redis.clock_put_back")
    rung = []
    for name in known_lines(context.redis):
        if name not in line_ids:
            log.warning("line.unknown", line=name, remedy=f"linewatch line add {name}")
            continue
        stream = FrameStream(context.redis, name)
        if put_back:
            forget_times(context.redis, stream, doorbell)
        status = stream.status()
        if status.waiting + status.pending and doorbell.ring(name):
            rung.append(name)
        report_status(context, stream, line_ids[name])
        stream.forget_idle_consumers()
    return rung
