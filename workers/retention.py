"""Retention: old pictures that nobody needs go, so that the store does not grow for ever.

What is kept is said in `db.retention`. A picture is deleted while the rows that named it are locked
and have forgotten it, but before that is committed: a run that dies in between leaves rows whose
picture is missing, which the pages say, until the next run finds them again; and it leaves no
picture behind that no row knows of.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import structlog
from sqlalchemy.orm import Session

from db.retention import LetGo, let_go_of_pass_frames, let_go_of_quarantine
from db.tables import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from db.store import ImageStore

log = structlog.get_logger()

GIB = 2**30
#: A picture put into the store so recently may be named by a row that is not committed yet.
GRACE_S = 3600.0


class Place(Protocol):
    """Where rows and pictures are; a worker's context is one."""

    engine: Engine
    store: ImageStore


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """How long pictures are kept; flagged, reviewed, audit-drawn and sampled ones always are."""

    #: Pictures of other PASS frames; None: for ever.
    pass_days: float | None = 30.0
    #: Bytes of frames in quarantine; None: for ever.
    quarantine_days: float | None = 90.0
    #: Size from which the oldest of those PASS pictures go before their time; None: no limit.
    store_max_bytes: int | None = None
    #: A run ends after about this time; the next one goes on.
    budget_s: float = 3.0
    #: Frames of one transaction.
    chunk: int = 100

    def __post_init__(self) -> None:
        for name in ("pass_days", "quarantine_days", "store_max_bytes", "budget_s", "chunk"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive, got {value}")


@dataclass(slots=True)
class Retained:
    """What one run did."""

    #: Rows that let go of their pictures.
    frames: int = 0
    #: What was deleted.
    files: int = 0
    freed_bytes: int = 0
    #: Bytes by which the store is still too large; None: it has no limit.
    too_large_by: int | None = None


def retain(place: Place, config: RetentionConfig, *, grace_s: float = GRACE_S) -> Retained:
    """Delete pictures by age, then for space, oldest first, until done or the time is up.

    Raises:
        StoreError: if the image store cannot be used.
    """
    deadline = time.monotonic() + config.budget_s
    done = Retained()
    now = utc_now()

    def repeat(forget: Callable[[Session], LetGo], enough: Callable[[], bool]) -> None:
        while not enough() and time.monotonic() < deadline:
            if _delete_chunk(place, forget, done, grace_s) < config.chunk:
                return

    if config.quarantine_days is not None:
        limit = now - timedelta(days=config.quarantine_days)
        repeat(lambda s: let_go_of_quarantine(s, before=limit, limit=config.chunk), lambda: False)
    if config.pass_days is not None:
        oldest = now - timedelta(days=config.pass_days)
        repeat(lambda s: let_go_of_pass_frames(s, before=oldest, limit=config.chunk), lambda: False)
    if config.store_max_bytes is not None:
        excess = place.store.size_bytes() - config.store_max_bytes
        target = done.freed_bytes + excess
        # Files this young are not deleted anyway.
        before = now - timedelta(seconds=grace_s)
        repeat(
            lambda s: let_go_of_pass_frames(s, before=before, limit=config.chunk),
            lambda: done.freed_bytes >= target,
        )
        done.too_large_by = max(0, target - done.freed_bytes)
    if done.frames:
        log.info("pictures.deleted", frames=done.frames, files=done.files, bytes=done.freed_bytes)
    if done.too_large_by and time.monotonic() < deadline:
        log.warning(
            "store.too_large",
            too_large_by_mib=round(done.too_large_by / 2**20, 1),
            remedy="all that is left is kept for ever or new: raise store_max_gib",
        )
    return done


def _delete_chunk(
    place: Place, forget: Callable[[Session], LetGo], done: Retained, grace_s: float
) -> int:
    """One transaction; returns the rows it was about."""
    with Session(place.engine) as session, session.begin():
        gone = forget(session)
        for key in gone.keys:
            freed = place.store.delete(key, younger_than_s=grace_s)
            if freed is not None:
                done.files += 1
                done.freed_bytes += freed
    done.frames += gone.rows
    return gone.rows
