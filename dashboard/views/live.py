"""Live: every camera's newest frames, each line's yield, rate and lag. Refreshes itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.choosing import show_no_lines
from dashboard.database import explained, session
from dashboard.markup import clock_time, plain_label
from dashboard.tile import tile
from dashboard.viewer import midnight, zone
from dashboard.wall import header, read_line
from db import lines

if TYPE_CHECKING:
    from dashboard.wall import LineView
    from db.tables import Line

REFRESH_S = 2
ALL_LINES = "All lines"


@st.fragment(run_every=REFRESH_S)
def page() -> None:
    """The whole page: one database session a refresh."""
    with explained():
        now = datetime.now(UTC)
        with session() as reads:
            chosen = _choose(lines.list_lines(reads))
            views = [read_line(reads, line, now, midnight(now, zone())) for line in chosen]
        st.html(_refreshed(now))
        for view in views:
            _show_line(view, views, now)


def _choose(every: list[Line]) -> list[Line]:
    """The line the viewer chose; the address keeps it, so that a screen can start with it."""
    if not every:
        show_no_lines()
    if len(every) < 2:
        return every
    chosen = st.segmented_control(
        "Line",
        [ALL_LINES, *(line.name for line in every)],
        format_func=plain_label,
        default=ALL_LINES,
        required=True,
        key="line",
        bind="query-params",
        label_visibility="collapsed",
    )
    return [line for line in every if chosen in (ALL_LINES, line.name)]


def _refreshed(now: datetime) -> str:
    """The time of this refresh, and a warning that appears if no later one replaces it."""
    return (
        f'<div class="lw-refreshed">{clock_time(now, zone())}'
        "<b>This page has stopped refreshing: reload it, or check the dashboard's server</b></div>"
    )


def _columns(view: LineView) -> int:
    """Two by two for four cameras, otherwise up to three in a row."""
    cameras = len(view.frames)
    return 2 if cameras == 4 else min(3, max(1, cameras))


def _rows(view: LineView) -> int:
    return -(-len(view.frames) // _columns(view)) or 1


def _show_line(view: LineView, every: list[LineView], now: datetime) -> None:
    st.html(header(view, now))
    columns = _columns(view)
    rows = sum(_rows(other) for other in every)
    upright = columns == 3 or (columns == 2 and rows == 1)
    with st.container(key=f"wall-{columns}-{view.line_id}"):
        for camera, frames in view.frames.items():
            st.html(tile(camera, frames, rows=rows, upright=upright, zone=zone()))


if __name__ == "__main__":
    page()
