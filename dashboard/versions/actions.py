"""What an engineer may do with a version: promote, activate, roll back, retire, each confirmed.

The buttons follow from the version's state; whether the change is allowed is decided once more in
its transaction, and the answer stands in the dialog.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import current_actor
from dashboard.changing import change
from dashboard.markup import score_text, sentence, warning
from db import lines, model_versions
from db.model_overview import VersionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from db.model_overview import VersionOverview
    from db.tables import Line, ModelVersion


@dataclass(frozen=True, slots=True)
class Action:
    """A change that is made once it was confirmed."""

    #: On the button; with the version's number it is the title of the dialog.
    label: str
    #: What it changes, for people; HTML.
    text: str
    #: What speaks against it.
    caution: str | None
    #: What the page says afterwards.
    success: str
    make: Callable[[Session], object]
    is_main: bool = False


def of(
    line: Line, overview: VersionOverview, active: ModelVersion | None, why_not: str | None
) -> list[Action]:
    """The actions for a version, the likeliest first.

    Args:
        active: the version that scores; None: there is none.
        why_not: what keeps this one from being promoted; None if nothing does.
    """
    version, state, name = overview.version, overview.state, line.name
    if state in (VersionState.ACTIVE, VersionState.RETIRED):
        return []
    scoring = _let_score(line, overview, active, why_not)
    return [*([scoring] if scoring else []), _retire(name, version)]


def _let_score(
    line: Line, overview: VersionOverview, active: ModelVersion | None, why_not: str | None
) -> Action | None:
    """The way by which a version may score; None if it never may."""
    version, name = overview.version, line.name
    if model_versions.why_not_activatable(line, version) is not None:
        return None
    if active is None:
        return _activate(name, version, active, None)
    if why_not is None:
        return _promote(name, version, active)
    if overview.state is VersionState.EARLIER:
        return _roll_back(name, version, active)
    return _activate(name, version, active, why_not)


def show(actions: list[Action], number: int) -> None:
    """Their buttons."""
    with st.container(key=f"actions-{number}", horizontal=True, horizontal_alignment="right"):
        for action in actions:
            key = f"{action.label.lower().replace(' ', '-')}-{number}"
            if st.button(action.label, key=key, type="primary" if action.is_main else "secondary"):
                _confirm(action, number)


def _confirm(action: Action, number: int) -> None:
    st.dialog(f"{action.label}: version {number}", width="medium")(_ask)(action)


def _ask(action: Action) -> None:
    """The dialog's body; what became of the change is said on the page under it."""
    st.html(f'<div class="lw-ask">{action.text}</div>')
    if action.caution:
        st.html(warning(sentence(action.caution)))
    with st.container(key="ask-buttons", horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="ask-cancel"):
            st.rerun()
        if st.button(
            action.label,
            key="ask-confirm",
            type="primary",
            on_click=_make,
            args=(action,),
        ):
            st.rerun()


def _make(action: Action) -> None:
    change(action.make, action.success)


def _promote(line: str, version: ModelVersion, active: ModelVersion | None) -> Action:
    number = version.number
    return Action(
        label="Promote",
        text=_what_changes(line, version, active),
        caution=None,
        success=f"Version {number} scores line {line} from the next batch on",
        make=lambda s: model_versions.promote(
            s, lines.get_line(s, line), number, actor=current_actor()
        ),
        is_main=True,
    )


def _roll_back(line: str, version: ModelVersion, active: ModelVersion | None) -> Action:
    number = version.number
    return Action(
        label="Roll back",
        text=_what_changes(line, version, active),
        caution=None,
        success=f"Rolled back: version {number} scores line {line} from the next batch on",
        make=lambda s: model_versions.activate(
            s, lines.get_line(s, line), number, actor=current_actor()
        ),
    )


def _activate(
    line: str, version: ModelVersion, active: ModelVersion | None, caution: str | None
) -> Action:
    number = version.number
    return Action(
        label="Activate" if caution is None else "Activate anyway",
        text=_what_changes(line, version, active),
        caution=caution,
        success=f"Version {number} scores line {line} from the next batch on",
        make=lambda s: model_versions.activate(
            s, lines.get_line(s, line), number, actor=current_actor()
        ),
        is_main=caution is None,
    )


def _retire(line: str, version: ModelVersion) -> Action:
    number = version.number
    return Action(
        label="Retire",
        text=(
            f"<p>Version {number} of line <b>{escape(line)}</b> will never score again. Its "
            "inspections and reports stay. <b>This cannot be taken back.</b></p>"
        ),
        caution=None,
        success=f"Version {number} is retired",
        make=lambda s: model_versions.retire(
            s, lines.get_line(s, line), number, actor=current_actor()
        ),
    )


def _what_changes(line: str, version: ModelVersion, active: ModelVersion | None) -> str:
    rows = [("Version", "number"), ("Detector", "detector")]
    thresholds = [("Review from", "review_threshold"), ("Reject from", "reject_threshold")]
    sides = [("Now", active), ("Then", version)]
    sides = [side for side in sides if side[1] is not None]
    head = "".join(f"<th>{name}</th>" for name, _ in sides)
    body = ""
    for name, field in rows:
        cells = "".join(f"<td>{escape(str(getattr(one, field)))}</td>" for _, one in sides)
        body += f"<tr><th>{name}</th>{cells}</tr>"
    for name, field in thresholds:
        cells = "".join(f"<td>{score_text(getattr(one, field))}</td>" for _, one in sides)
        body += f"<tr><th>{name}</th>{cells}</tr>"
    return (
        f"<p>From the next batch on, version {version.number} gives the verdicts of line "
        f"<b>{escape(line)}</b>, at its own thresholds. No frame is lost or scored twice; verdicts "
        f'given stay as they are.</p><table class="lw-table"><tr><th></th>{head}</tr>{body}</table>'
    )
