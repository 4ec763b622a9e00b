"""Cancelling a teaching, which is asked for once more: its frames are thrown away."""

from __future__ import annotations

import streamlit as st

from dashboard.actor import current_actor
from dashboard.changing import change
from dashboard.markup import count
from db import lines, teachings


@st.dialog("Cancel teaching?")
def ask_to_cancel(line: str, frames: int) -> None:
    """The dialog."""
    st.html(
        f'<div class="lw-ask"><p>The {count(frames)} frames collected so far are thrown away. The '
        "line stays as it is.</p></div>"
    )
    with st.container(key="ask-buttons", horizontal=True, horizontal_alignment="right"):
        if st.button("Keep on", key="ask-cancel"):
            st.rerun()
        if st.button(
            "Cancel teaching", key="ask-confirm", type="primary", on_click=_cancel, args=(line,)
        ):
            st.rerun()


def _cancel(line: str) -> None:
    change(
        lambda s: teachings.cancel(
            s, teachings.require_open(s, lines.get_line(s, line)), actor=current_actor()
        ),
        "The teaching is cancelled",
    )
