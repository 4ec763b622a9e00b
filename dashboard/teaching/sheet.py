"""The contact sheet: all collected frames; a press throws one out, another takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import pictures
from dashboard.actor import current_actor
from dashboard.changing import change, show_told
from dashboard.contact_sheet import Pages, cell, pressable
from dashboard.database import explained, session
from dashboard.markup import count, warning
from dashboard.teaching.ending import ask_to_cancel
from db import lines, teachings
from db.tables import RetrainingState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.tables import Retraining, Sample

PER_PAGE = 24


def show(line: str, teaching_id: int, last: Retraining | None) -> None:
    """The sheet, a fragment: a press costs one page of it."""
    if last is not None and last.state != RetrainingState.DONE.value:
        st.html(warning(f"The training ended without a model: {last.message or last.state}"))
    st.fragment(_show)(line, teaching_id)


def _show(line: str, teaching_id: int) -> None:
    with explained():
        show_told()
        with session() as reads:
            counts = teachings.count_frames(reads, teaching_id)
            pages = Pages("sheet-page", counts.kept + counts.thrown_out, PER_PAGE)
            before = pages.offset
            frames = teachings.frames(reads, teaching_id, offset=before, limit=PER_PAGE)
        _head(line, counts)
        _cells(frames, before)
        pages.show()


def _head(line: str, counts: teachings.Collection) -> None:
    with st.container(key="sheet-head", horizontal=True, vertical_alignment="center"):
        st.html(
            f'<div class="lw-title"><h2>{count(counts.kept)} frames stay</h2>'
            f"<span>{count(counts.thrown_out)} thrown out · press what does not show a good part; "
            "press it again to take it back</span></div>"
        )
        with st.container(
            key="sheet-buttons", horizontal=True, horizontal_alignment="right", width="content"
        ):
            if st.button("Cancel", key="cancel-teaching"):
                ask_to_cancel(line, counts.kept + counts.thrown_out)
            if st.button("Train", key="train", type="primary"):
                change(
                    lambda s: teachings.finish(
                        s,
                        teachings.require_open(s, lines.get_line(s, line)),
                        actor=current_actor(),
                    ),
                    "A training is asked for",
                )
                st.rerun()


def _cells(frames: Sequence[Sample], before: int) -> None:
    with st.container(key="sheet"):
        for place, sample in enumerate(frames, start=before + 1):
            is_out = sample.removed_at is not None
            mark = "<b>Thrown out</b>" if is_out else ""
            pressable(
                f"frame-{sample.id}",
                cell(
                    pictures.sheet(sample.image_key),
                    "out" if is_out else "in",
                    f"{mark}<i>{place}</i>",
                ),
                f"Take back frame {place}" if is_out else f"Throw out frame {place}",
                key=f"frame-{sample.id}",
                press=_take_back if is_out else _throw_out,
                argument=sample.id,
            )


def _throw_out(sample_id: int) -> None:
    change(lambda s: teachings.throw_out(s, [sample_id], actor=current_actor()), "")


def _take_back(sample_id: int) -> None:
    change(lambda s: teachings.take_back(s, [sample_id], actor=current_actor()), "")
