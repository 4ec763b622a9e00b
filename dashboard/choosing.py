"""Choosing the line that a page is about, and what the page says while there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.markup import notice, plain_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.tables import Line


def choose_line(
    every: Sequence[Line], key: str, *, on_change: Callable[[], None] | None = None
) -> Line | None:
    """The line that was chosen, kept in the address; None, with a notice, if there is none yet.

    Args:
        every: all lines; a single one needs no choice.
        key: the widget's, and the name in the address.
        on_change: called before the page runs for another line.
    """
    if not every:
        show_no_lines()
        return None
    if len(every) == 1:
        return every[0]
    names = [line.name for line in every]
    chosen = st.segmented_control(
        "Line", names, format_func=plain_label, default=names[0], required=True, key=key,
        bind="query-params", label_visibility="collapsed", on_change=on_change,
    )  # fmt: skip
    return every[names.index(str(chosen))]


def show_no_lines() -> None:
    """What stands in place of a page before there is a line."""
    st.html(
        notice(
            "No lines yet",
            "An engineer adds the first one on the page Teach a line, or with "
            "`linewatch line add NAME`.",
        )
    )
