"""How a line's stream stands, in the database: the dashboard reads it there and needs no Redis."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db.errors import DbError
from db.lines import record_stream_status

if TYPE_CHECKING:
    from ingest.stream import FrameStream
    from workers.context import WorkerContext

log = structlog.get_logger()

REPORT_INTERVAL_S = 1.0


def report_status(context: WorkerContext, stream: FrameStream, line_id: int) -> None:
    """Record the stream's status, once a second by all workers; a failure is only logged."""
    now = time.monotonic()
    if now - context.reported_at.get(line_id, -REPORT_INTERVAL_S) < REPORT_INTERVAL_S:
        return
    context.reported_at[line_id] = now
    # Redis's clock is not this one's: a little less, so that a lone worker finds it gone.
    due_ms = int(REPORT_INTERVAL_S * 900)
    if not context.redis.set(stream.reported_key, "1", nx=True, px=due_ms):
        return
    status = stream.status()
    cameras = {n: (c.pushed, c.dropped, c.uninspected) for n, c in status.cameras.items()}
    try:
        with Session(context.engine) as session, session.begin():
            record_stream_status(
                session, line_id, waiting=status.waiting, pending=status.pending, cameras=cameras
            )
    except (DbError, SQLAlchemyError) as exc:
        log.warning("status.not_recorded", line=stream.line, error=str(exc).splitlines()[0])
