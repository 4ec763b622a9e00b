"""What an engineer may do with a version: promote, activate, roll back, retire, each confirmed.

The buttons follow from the version's state; whether the change is allowed is decided once more in
its transaction, and the answer stands on the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import current_actor
from dashboard.asking import Question, ask
from dashboard.markup import score_text
from db import lines, model_versions
from db.model_overview import VersionState

if TYPE_CHECKING:
    from db.model_overview import VersionOverview
    from db.tables import Line, ModelVersion


@dataclass(frozen=True, slots=True)
class Action(Question):
    """A change of a version, asked for once more."""

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
            key = f"{action.confirm.lower().replace(' ', '-')}-{number}"
            if st.button(
                action.confirm, key=key, type="primary" if action.is_main else "secondary"
            ):
                ask(action)


def _promote(line: str, version: ModelVersion, active: ModelVersion | None) -> Action:
    number = version.number
    return Action(
        title=f"Promote: version {number}",
        confirm="Promote",
        text=_what_changes(line, version, active),
        success=f"Version {number} scores line {line} from the next batch on",
        make=lambda s: model_versions.promote(
            s, lines.get_line(s, line), number, actor=current_actor()
        ),
        is_main=True,
    )


def _roll_back(line: str, version: ModelVersion, active: ModelVersion | None) -> Action:
    number = version.number
    return Action(
        title=f"Roll back: version {number}",
        confirm="Roll back",
        text=_what_changes(line, version, active),
        success=f"Rolled back: version {number} scores line {line} from the next batch on",
        make=lambda s: model_versions.activate(
            s, lines.get_line(s, line), number, actor=current_actor()
        ),
    )


def _activate(
    line: str, version: ModelVersion, active: ModelVersion | None, caution: str | None
) -> Action:
    number = version.number
    word = "Activate" if caution is None else "Activate anyway"
    return Action(
        title=f"{word}: version {number}",
        confirm=word,
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
        title=f"Retire: version {number}",
        confirm="Retire",
        text=(
            f"<p>Version {number} of line <b>{escape(line)}</b> will never score again. Its "
            "inspections and reports stay. <b>This cannot be taken back.</b></p>"
        ),
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
