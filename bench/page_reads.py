"""What each page reads from the database, without the page."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st
from sqlalchemy.orm import Session

from dashboard.few_shot import reading as few_shot
from dashboard.quality import reading as quality
from dashboard.quality.clock import Days, PlantClock, Unit
from dashboard.quality.drift import Reference
from dashboard.versions import thresholds
from dashboard.wall import read_line
from db import audit, lines, model_overview, review_queue, samples, users
from db.audit import AuditFilter
from db.engine import make_engine
from db.review_queue import Wanted
from db.shadow import count_frames
from db.tables import ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Callable

#: The line that most pages show first.
LINE = "line-1"


def timed_reads(url: str, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every read, by its name; nothing is kept from one to the next."""
    engine = make_engine(url)
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, read in READS.items():
            st.cache_data.clear()
            with Session(engine) as session:
                began = time.perf_counter()
                read(session)
                times.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
    engine.dispose()
    return times


def _live(session: Session) -> None:
    now = datetime.now(UTC)
    for line in lines.list_lines(session):
        read_line(session, line, now, now.replace(hour=0, minute=0, second=0))


def _review(queue: ReviewQueue, **limits: Any) -> Callable[[Session], None]:
    def read(session: Session) -> None:
        ids = tuple(line.id for line in lines.list_lines(session))
        wanted = Wanted(ids, queue, reviewer="reviewer 1", holder="here", **limits)
        review_queue.newest_open(session, wanted, limit=3)
        review_queue.counts(session, wanted)

    return read


def _models(session: Session) -> None:
    line = lines.get_line(session, LINE)
    newest = model_overview.list_overviews(session, line)[0].version
    samples.waiting_defects(session, line.id)
    thresholds.read(session, newest)
    count_frames(session, newest.id)


def _quality(days: int, shift: int | None = None, camera: str | None = None) -> Callable[..., None]:
    def read(session: Session) -> None:
        line, clock, now = lines.get_line(session, LINE), PlantClock(UTC), datetime.now(UTC)
        scope = quality.scope_of(line, lines.list_cameras(session, line.id), camera)
        today = clock.day_of(now)
        chosen = Days(today - timedelta(days=days - 1), today)
        parts = clock.split(chosen, shift, Unit.DAY, now)
        windows = tuple(clock.stretches(chosen, shift, now))
        before = tuple(clock.stretches(chosen.before, shift, now))
        counts = quality.total(session, scope, tuple(window for _, window in parts))
        quality.people(session, scope, windows)
        quality.scores(session, scope, windows, before, Reference.FIRST, (counts, counts))

    return read


def _audit(only: AuditFilter) -> Callable[[Session], None]:
    return lambda session: _ignore(audit.list_events(session, limit=101, only=only))


def _ignore(_read: object) -> None:
    """Only how long it took is wanted."""


#: By name, in the order of the pages.
READS: dict[str, Callable[[Session], None]] = {
    "Live, four lines": _live,
    "Review: flagged": _review(ReviewQueue.FLAGGED),
    "Review: flagged, score from 1.2": _review(ReviewQueue.FLAGGED, score_from=1.2),
    "Review: flagged, nothing fits": _review(ReviewQueue.FLAGGED, score_from=1e9),
    "Review: audit": _review(ReviewQueue.AUDIT),
    "Review: second opinion, a class": _review(ReviewQueue.SECOND_OPINION, defect_class="crack"),
    "Few-shot set": lambda session: _ignore(few_shot.read(session, lines.get_line(session, LINE))),
    "Models": _models,
    "Quality: today": _quality(1),
    "Quality: 7 days": _quality(7),
    "Quality: 30 days": _quality(30),
    "Quality: 60 days": _quality(60),
    "Quality: 60 days, a shift": _quality(60, shift=1),
    "Quality: 60 days, a camera": _quality(60, camera="camera-2"),
    "Audit": _audit(AuditFilter()),
    "Audit: one person, nothing of that kind": _audit(
        AuditFilter(actor="user 7", action="model.activated")
    ),
    "Users": lambda session: _ignore(users.list_users(session)),
}
