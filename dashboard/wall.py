"""What the Live page shows, read from the database in one go, and each line's header."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.markup import count, duration, warning
from db import inspections, lines

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from db.inspections import InspectionView, VerdictCounts
    from db.tables import Line

#: The newest frame, and the strip beside it.
FRAMES_PER_CAMERA = 9
RATE_WINDOW_S = 60
#: Workers report a line's state every few seconds while they run.
SILENCE_S = 30
#: Seconds that counts are kept which no longer change.
SETTLED_KEPT_S = 3600
#: A batch older than this is committed: `recorded_at` is set just before.
SETTLED = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class LineView:
    """A production line as the Live page shows it."""

    line_id: int
    name: str
    has_model: bool
    #: Newest first, by camera name.
    frames: dict[str, list[InspectionView]]
    #: Since the viewer's midnight.
    today: VerdictCounts
    #: Verdicts per second over the last minute.
    rate: float
    waiting: int
    #: Since the line's stream was created.
    dropped: int
    #: None: no worker has reported yet.
    status_at: datetime | None


def read_line(session: Session, line: Line, now: datetime, day_start: datetime) -> LineView:
    """Everything a line shows."""
    return LineView(
        line_id=line.id,
        name=line.name,
        has_model=line.active_model_version_id is not None,
        frames=inspections.latest_by_camera(session, line.id, limit=FRAMES_PER_CAMERA),
        today=counts_today(session, line.id, now, day_start),
        rate=sum(
            inspections.rate_by_camera(session, line.id, window_s=RATE_WINDOW_S, now=now).values()
        ),
        waiting=line.frames_waiting,
        dropped=sum(camera.frames_dropped for camera in lines.list_cameras(session, line.id)),
        status_at=line.status_at,
    )


def counts_today(
    session: Session, line_id: int, now: datetime, day_start: datetime
) -> VerdictCounts:
    """Verdicts since midnight. All but the last minutes are counted once for all viewers.

    A line may have millions of frames a day, and every screen asks every two seconds.
    """
    settled = now - SETTLED
    settled -= timedelta(minutes=settled.minute % 10, seconds=settled.second)
    settled = max(day_start, settled.replace(microsecond=0))
    place = str(session.get_bind().engine.url)
    lately = inspections.counts_by_camera(session, line_id, settled)
    return inspections.sum_counts(lately) + _settled(session, place, line_id, day_start, settled)


@st.cache_data(max_entries=64, ttl=SETTLED_KEPT_S, show_spinner=False)
def _settled(
    _session: Session, place: str, line_id: int, day_start: datetime, until: datetime
) -> VerdictCounts:
    """Counts that no longer change; `place` tells databases apart."""
    counts = inspections.counts_by_camera(_session, line_id, day_start, until=until)
    return inspections.sum_counts(counts)


def header(view: LineView, now: datetime) -> str:
    """A line's name and figures, and what is wrong with it."""
    share = view.today.yield_share
    figures = [
        _figure("Yield today", "–" if share is None else f"{100 * share:.1f} %"),
        _figure(
            "Passed of inspected", f"{count(view.today.passed)} / {count(view.today.inspected)}"
        ),
        _figure("Frames/s", f"{view.rate:.1f}"),
        _figure("Waiting", count(view.waiting)),
    ]
    if view.today.uninspected:
        figures.append(_figure("Not inspected", count(view.today.uninspected), asks=True))
    if view.dropped:
        figures.append(_figure("Dropped", count(view.dropped), asks=True))
    text = trouble(view, now)
    return (
        f'<div class="lw-line"><h2>{escape(view.name)}</h2>'
        f"{warning(text) if text else ''}{''.join(figures)}</div>"
    )


def trouble(view: LineView, now: datetime) -> str | None:
    """What keeps the line from being inspected, and what to do; None if nothing does."""
    if not view.has_model:
        return "No model is active on this line: an engineer teaches it on the page Teach a line"
    if view.status_at is None:
        return "No scoring worker has reported yet: start one with `linewatch worker`"
    silence_s = (now - view.status_at).total_seconds()
    if silence_s > SILENCE_S:
        return (
            f"No scoring worker has reported for {duration(silence_s)}: "
            "frames are not being inspected"
        )
    return None


def _figure(label: str, value: str, *, asks: bool = False) -> str:
    kind = "lw-figure asks" if asks else "lw-figure"
    return f'<div class="{kind}"><b>{value}</b><span>{label}</span></div>'
