"""Few-shot set: the confirmed defects of a line, and what the next training learns from."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import demand
from dashboard.changing import show_told
from dashboard.choosing import choose_line
from dashboard.database import explained, session
from dashboard.few_shot import sheet
from dashboard.few_shot.reading import FewShotView, class_of, read
from dashboard.few_shot.sample_card import show_card
from dashboard.few_shot.words import COUNTED
from dashboard.markup import count, notice
from db import lines
from db.tables import Role

if TYPE_CHECKING:
    from db.few_shot import FewShotSample

ALL_CLASSES = "All classes"
ALL, USED, LEFT_OUT = "All", "Used next", "Left out"


def page() -> None:
    """The whole page."""
    with explained():
        with session() as reads:
            every = lines.list_lines(reads)
            line = choose_line(every, "few-shot-line", on_change=sheet.first_page)
            if line is None:
                return
            view = read(reads, line)
        show_told()
        st.html(summary(view))
        if not view.found:
            text = "Defects that operators confirm on the Review page appear here by themselves."
            st.html(notice("No confirmed defects yet", text))
            return
        chosen = _choose(view)
        if not chosen:
            st.html(notice("Nothing to show", "No confirmed defect fits what was chosen above."))
        sheet.show(view, chosen)
        show_card(view)


def summary(view: FewShotView) -> str:
    """The line's name, and what the next training uses and leaves out."""
    figures = [
        (view.used, "defects the next training uses"),
        (view.waiting, "of them new since the last"),
        (view.normals, "good parts beside them"),
        (len(view.found), "confirmed in all"),
    ]
    cells = "".join(
        f'<div class="lw-figure"><b>{count(number)}</b><span>{name}</span></div>'
        for number, name in figures
    )
    left_out = view.left_out
    reasons = " · ".join(
        f"{count(left_out[reason])} {word}" for reason, word in COUNTED.items() if left_out[reason]
    )
    note = f'<p class="lw-note">Left out: {reasons}</p>' if reasons else ""
    return f'<div class="lw-line"><h2>{escape(view.line)}</h2>{cells}</div>{note}'


def _choose(view: FewShotView) -> list[FewShotSample]:
    """Those of a class, and of a use, in the sheet's order."""
    names = [ALL_CLASSES, *dict.fromkeys(map(class_of, view.found))]
    with st.container(key="few-shot-filters", horizontal=True, vertical_alignment="center"):
        use = st.segmented_control(
            "Use", [ALL, USED, LEFT_OUT], default=ALL, required=True, key="few-shot-use",
            label_visibility="collapsed", on_change=sheet.first_page,
        )  # fmt: skip
        name = st.selectbox(
            "Class", names, key=f"few-shot-class-{view.line_id}", filter_mode=None,
            label_visibility="collapsed", on_change=sheet.first_page,
        )  # fmt: skip
    return [
        one
        for one in view.found
        if name in (ALL_CLASSES, class_of(one))
        and (use == ALL or (one.why_not is None) == (use == USED))
    ]


if __name__ == "__main__":
    demand(Role.ENGINEER)
    page()
