"""The list of a line's versions; a press on a row shows the version below."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.contact_sheet import pressable
from dashboard.markup import count
from db.model_overview import VersionState
from db.tables import SnapshotUse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from db.model_overview import VersionOverview

#: Rows shown before someone asks for all.
FIRST_ROWS = 6
HEAD = ("Version", "Detector", "Trained on", "Made", "State")
CHIPS = {
    VersionState.ACTIVE: "good",
    VersionState.SHADOW: "busy",
    VersionState.CANDIDATE: "busy",
    VersionState.FAILED_GATE: "bad",
    VersionState.EARLIER: "idle",
    VersionState.NOT_COMPARED: "idle",
    VersionState.RETIRED: "idle",
}


def chip(state: VersionState) -> str:
    """A version's state as a coloured word."""
    return f'<span class="lw-chip {CHIPS[state]}">{state.value}</span>'


def trained_on(overview: VersionOverview) -> str:
    """What a version learned from, in a few words."""
    if overview.trained_on is None:
        return "elsewhere"
    good = overview.count(SnapshotUse.NORMAL, SnapshotUse.HELD_OUT)
    return f"{count(good)} good, {count(overview.count(SnapshotUse.ANOMALY))} defects"


def show(
    overviews: Sequence[VersionOverview],
    chosen: int,
    choose: Callable[[int], None],
    zone: tzinfo,
) -> None:
    """The table; `choose` is called with the number of the version whose row is pressed."""
    head = "".join(f"<span>{name}</span>" for name in HEAD)
    st.html(f'<div class="lw-row head">{head}</div>')
    shown = _shown(overviews, chosen)
    for overview in shown:
        number = overview.version.number
        pressable(
            f"version-{number}",
            _row(overview, zone, is_chosen=number == chosen),
            f"Show version {number}",
            key=f"show-{number}",
            press=choose,
            argument=number,
        )
    if len(overviews) > FIRST_ROWS:
        st.toggle(f"Show all {len(overviews)} versions", key="all-versions")


def _shown(overviews: Sequence[VersionOverview], chosen: int) -> list[VersionOverview]:
    """The newest, and whichever scores or is looked at."""
    if st.session_state.get("all-versions"):
        return list(overviews)
    return [
        one
        for place, one in enumerate(overviews)
        if place < FIRST_ROWS or one.version.number == chosen or one.state is VersionState.ACTIVE
    ]


def _row(overview: VersionOverview, zone: tzinfo, *, is_chosen: bool) -> str:
    version = overview.version
    made = f"{version.created_at.astimezone(zone):%Y-%m-%d %H:%M}"
    cells = (
        f"<b>{version.number}</b>",
        escape(version.detector),
        trained_on(overview),
        f"{made} <small>{escape(version.created_by)}</small>",
        chip(overview.state),
    )
    kind = "lw-row chosen" if is_chosen else "lw-row"
    return f'<div class="{kind}">{"".join(f"<span>{cell}</span>" for cell in cells)}</div>'
