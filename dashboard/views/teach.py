"""Teach a line: collect good frames, look them over, train, activate. It needs no model before."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import demand
from dashboard.changing import show_told
from dashboard.database import explained, session
from dashboard.markup import plain_label, score_text
from dashboard.teaching import collecting, sheet, start
from dashboard.versions import actions, training
from db import lines, model_overview, model_versions, teachings
from db.model_overview import VersionState
from db.tables import ModelVersion, Role, TeachingState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from db.model_overview import VersionOverview
    from db.tables import Camera, Line, Retraining, Teaching

STEPS = ("Choose", "Collect", "Look over", "Train", "Activate")
ACTIVATE = 4
#: Which step a teaching is at.
AT = {
    TeachingState.COLLECTING.value: 1,
    TeachingState.LOOKING_OVER.value: 2,
    TeachingState.TRAINING.value: 3,
}
LIVE = Path(__file__).parent / "live.py"
NEW_LINE = "New line"


@dataclass(frozen=True, slots=True)
class Taught:
    """How far a line is."""

    line: Line
    cameras: Sequence[Camera]
    active: ModelVersion | None
    #: The newest one, over or not.
    teaching: Teaching | None
    #: Its newest training.
    last: Retraining | None
    #: What came of it.
    result: VersionOverview | None
    #: What keeps that from being promoted; None if nothing does.
    why_not: str | None

    @property
    def step(self) -> int:
        """The place in STEPS; beyond them once all is done."""
        if self.teaching is None:
            return 0
        if self.teaching.state == TeachingState.DONE.value and self.result is not None:
            return len(STEPS) if self.is_active else ACTIVATE
        return AT.get(self.teaching.state, 0)

    @property
    def is_active(self) -> bool:
        """Whether what came of it gives the line's verdicts."""
        return self.result is not None and self.result.state is VersionState.ACTIVE


def page() -> None:
    """The whole page."""
    with explained():
        with session() as reads:
            every = lines.list_lines(reads)
            line = _choose(every)
            taught = None if line is None else _read(reads, line)
        show_told()
        if taught is None:
            st.html(_steps(0))
            start.show_new_line(is_first=not every)
            return
        st.html(_steps(taught.step))
        _show(taught)


def _choose(every: Sequence[Line]) -> Line | None:
    """The line to teach; None: a new one."""
    if not every:
        return None
    names = [*(line.name for line in every), NEW_LINE]
    # A line that was just added is chosen at once.
    wanted = st.session_state.pop("teach-line", None)
    if wanted in names:
        st.session_state["taught-line"] = wanted
    chosen = st.segmented_control(
        "Line", names, format_func=plain_label,
        default=None if "taught-line" in st.session_state else names[0], required=True,
        key="taught-line", label_visibility="collapsed",
    )  # fmt: skip
    return next((line for line in every if line.name == chosen), None)


def _read(reads: Session, line: Line) -> Taught:
    teaching = teachings.latest_teaching(reads, line.id)
    last = None if teaching is None else teachings.latest_training(reads, teaching)
    active = None
    if line.active_model_version_id is not None:
        active = reads.get(ModelVersion, line.active_model_version_id)
    result = why_not = None
    if last is not None and last.model_version_id is not None:
        result = model_overview.get_overview(reads, line, last.model_version_id)
        why_not = model_versions.why_not_promotable(reads, line, result.version)
    cameras = lines.list_cameras(reads, line.id)
    return Taught(line, cameras, active, teaching, last, result, why_not)


def _steps(now: int) -> str:
    """Where one is on the way."""
    items = []
    for place, name in enumerate(STEPS):
        kind = "done" if place < now else "now" if place == now else "later"
        items.append(f'<li class="{kind}"><b>{place + 1}</b>{name}</li>')
    return f'<ol class="lw-steps">{"".join(items)}</ol>'


def _show(taught: Taught) -> None:
    line, teaching = taught.line, taught.teaching
    state = None if teaching is None else teaching.state
    if teaching is not None and state == TeachingState.COLLECTING.value:
        collecting.show(line.id)
    elif teaching is not None and state == TeachingState.LOOKING_OVER.value:
        sheet.show(line.name, teaching.id, taught.last)
    elif state == TeachingState.TRAINING.value:
        training.show_running(line.name, line.id)
    elif taught.result is not None and taught.step >= ACTIVATE:
        _result(taught, taught.result)
        with st.expander("Teach this line again", key="teach-again"):
            start.show(line.name, taught.cameras, has_model=taught.active is not None)
    else:
        start.show(line.name, taught.cameras, has_model=taught.active is not None)


def _result(taught: Taught, result: VersionOverview) -> None:
    """The model that came of it, and the press that lets it score."""
    version = result.version
    is_active = taught.is_active
    told = (
        "It gives the line's verdicts now."
        if is_active
        else "It does not score yet: activate it, and the next frame gets a verdict."
    )
    st.html(
        f'<div class="lw-panel"><h3>Version {version.number} is trained '
        f"{_chip(is_active=is_active)}</h3>"
        f"<p>{escape(version.detector)} on {_trained_on(result)}. A person looks from "
        f"{score_text(version.review_threshold)}, parts are rejected from "
        f"{score_text(version.reject_threshold)}: taken from good frames it was not fitted on.</p>"
        f"<p>{told}</p></div>"
    )
    if is_active:
        st.page_link(LIVE, label="See the verdicts on Live", width="content")
    else:
        actions.show(actions.of(taught.line, result, taught.active, taught.why_not), version.number)


def _chip(*, is_active: bool) -> str:
    word, kind = ("active", "good") if is_active else ("ready", "busy")
    return f'<span class="lw-chip {kind}">{word}</span>'


def _trained_on(result: VersionOverview) -> str:
    known = result.trained_on
    return "the frames collected" if known is None else f"{sum(known.values())} good frames"


if __name__ == "__main__":
    demand(Role.ENGINEER)
    page()
