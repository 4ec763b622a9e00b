"""The form of a line's defect classes, for engineers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import current_actor
from dashboard.changing import attempt, tell
from dashboard.markup import warning
from db import lines
from db.defect_classes import WITH_KEYS, set_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

ROW_PX = 34


def show(line: str, now: Sequence[str]) -> None:
    """One class a row, in the order of their keys; a row that goes is retired, not deleted."""
    with st.form("defect-classes", border=False):
        st.html('<h4 class="lw-group">Defect classes</h4>')
        text = st.text_area(
            f"One a row; the first {WITH_KEYS} have number keys on Review",
            "\n".join(now),
            height=ROW_PX * max(4, len(now) + 2),
            key="class-names",
        )
        pressed = st.form_submit_button("Save classes", key="save-classes", type="primary")
    if pressed:
        _save(line, [row for row in text.splitlines() if row.strip()])


def _save(line: str, names: Sequence[str]) -> None:
    changed = False

    def save(writes: Session) -> None:
        nonlocal changed
        found = lines.get_line(writes, line)
        changed = set_classes(writes, found, names, actor=current_actor())

    problem = attempt(save)
    if problem is not None:
        st.html(warning(problem))
        return
    tell("The defect classes are saved" if changed else "The defect classes were so already")
    st.rerun()
