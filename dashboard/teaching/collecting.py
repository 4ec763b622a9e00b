"""While frames are collected: how many are there, the newest of them, and what holds them up."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import pictures
from dashboard.actor import current_actor
from dashboard.changing import change
from dashboard.database import explained, session
from dashboard.markup import count, duration, warning
from dashboard.teaching.ending import ask_to_cancel
from db import lines, teachings
from db.tables import Line, TeachingState, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from db.tables import Sample, Teaching

LOOK_AGAIN_S = 2
NEWEST = 8
#: Without a frame for so long, something is missing.
PATIENCE_S = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """A collection as it is now."""

    line: str
    teaching: Teaching
    newest: Sequence[Sample]
    #: When a worker last reported on the line; None: never.
    status_at: datetime | None
    waiting: int


def show(line_id: int) -> None:
    """The progress, refreshed by itself; the page is run again when all frames are there."""
    st.fragment(_show, run_every=LOOK_AGAIN_S)(line_id)


def _show(line_id: int) -> None:
    with explained():
        with session() as reads:
            teaching = teachings.open_teaching(reads, line_id)
            if teaching is None or teaching.state != TeachingState.COLLECTING.value:
                st.rerun()
            line = reads.get_one(Line, line_id)
            there = teaching.frames_collected
            newest = teachings.frames(
                reads, teaching.id, offset=max(0, there - NEWEST), limit=NEWEST
            )
            progress = Progress(line.name, teaching, newest, line.status_at, line.frames_waiting)
        st.html(card(progress, utc_now()))
        _buttons(progress)


def card(progress: Progress, now: datetime) -> str:
    """How far it is, with the newest frames."""
    teaching = progress.teaching
    there, wanted = teaching.frames_collected, teaching.frames_wanted
    seconds = (now - teaching.started_at).total_seconds()
    left = f" · about {duration(seconds * (wanted - there) / there)} left" if there else ""
    camera = escape(teaching.camera) if teaching.camera else "all cameras"
    strip = "".join(_thumbnail(sample) for sample in reversed(progress.newest))
    trouble = _trouble(progress, now)
    return (
        f'<div class="lw-panel"><h3>Collecting from {camera}</h3>'
        f'<p class="lw-step"><b>{count(there)} of {count(wanted)} frames</b>'
        f"<span>{duration(seconds)} so far{left}</span></p>"
        f'<div class="lw-bar" role="progressbar"><i style="width:{100 * there / wanted:.1f}%"></i>'
        f'</div><div class="lw-newest">{strip}</div></div>{warning(trouble) if trouble else ""}'
    )


def _thumbnail(sample: Sample) -> str:
    uri = pictures.sheet(sample.image_key)
    return f'<img decoding="sync" alt="" src="{uri}">' if uri else "<p>missing</p>"


def _trouble(progress: Progress, now: datetime) -> str | None:
    """Why no frames come, and what to do; None while they do, or may yet."""
    since = progress.newest[-1].created_at if progress.newest else progress.teaching.started_at
    silent = (now - since).total_seconds()
    if silent < PATIENCE_S:
        return None
    if progress.waiting or progress.status_at is None:
        return "No scoring worker takes the frames: start one with `linewatch worker`"
    return (
        f"No frame has come for {duration(silent)}: is `linewatch ingest` running, with a camera "
        f"whose line is {progress.line}?"
    )


def _buttons(progress: Progress) -> None:
    teaching = progress.teaching
    with st.container(key="collecting-buttons", horizontal=True):
        enough = teaching.frames_collected >= teachings.MIN_FRAMES
        if st.button(
            "Enough: look them over", key="stop-collecting", type="primary", disabled=not enough
        ):
            change(
                lambda s: teachings.stop_collecting(
                    s,
                    teachings.require_open(s, lines.get_line(s, progress.line)),
                    actor=current_actor(),
                ),
                "Look the frames over now",
            )
            st.rerun()
        if st.button("Cancel", key="cancel-teaching"):
            ask_to_cancel(progress.line, teaching.frames_collected)
