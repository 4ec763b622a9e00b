"""Review: flagged frames, one card at a time, confirmed or dismissed by button or key."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import card, deciding, pictures
from dashboard.database import explained, session
from dashboard.deciding import Scope
from dashboard.markup import count, notice, warning
from dashboard.reviewer import name_field, reviewer
from dashboard.viewer import zone
from db import lines, review_queue
from db.tables import Decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from db.inspections import InspectionView

KEYS = Path(__file__).parent.parent / "keys.js"
ALL_LINES = "All lines"
LOOK_AGAIN_S = 5
DEFAULT_OPACITY = 60
_IDLE = "review_idle"


def page() -> None:
    """The whole page. A fragment, so that a key costs one card and nothing else.

    It refreshes itself while there is no card. A card stays until it is decided or skipped:
    none may change in the moment a key is pressed.
    """
    was_idle = bool(st.session_state.get(_IDLE))
    st.fragment(_page, run_every=LOOK_AGAIN_S if was_idle else None)()


def _page() -> None:
    idle = not _show_card()
    if idle != bool(st.session_state.get(_IDLE)):
        st.session_state[_IDLE] = idle
        st.rerun()


def _show_card() -> bool:
    """The card on show or a message in its place; True if it is a card."""
    with explained():
        with session() as reads:
            names = {line.id: line.name for line in lines.list_lines(reads)}
            scopes = _scopes(reads, names)
            cards = deciding.cards(reads, scope := _chosen(scopes))
            waiting = review_queue.count_open(reads, scope.line_ids, camera_id=scope.camera_id)
        if not cards:
            _show_empty(scopes)
            return False
        _show(cards[0], names[cards[0].line_id], waiting, scopes, scope)
        for coming in cards[1:]:
            _prepare(coming)
        return True
    return False


def _scopes(reads: Session, names: dict[int, str]) -> dict[str, Scope]:
    """What the reviewer can choose: everything, a line, or one of its cameras."""
    scopes = {ALL_LINES: Scope(tuple(names))}
    for line_id, name in names.items():
        scopes[name] = Scope((line_id,))
        cameras = lines.list_cameras(reads, line_id)
        if len(cameras) > 1:
            for camera in cameras:
                scopes[f"{name} · {camera.name}"] = Scope((line_id,), camera.id)
    return scopes


def _chosen(scopes: dict[str, Scope]) -> Scope:
    """The choice; its field is drawn later, in its place."""
    return scopes.get(str(st.session_state.get("scope")), scopes[ALL_LINES])


def _choose(scopes: dict[str, Scope]) -> None:
    st.selectbox(
        "Parts from",
        list(scopes),
        key="scope",
        persist_state="session",
        filter_mode=None,
        label_visibility="collapsed",
        on_change=lambda: deciding.place().go_to(None),
    )


def _show(
    frame: InspectionView, line: str, waiting: int, scopes: dict[str, Scope], scope: Scope
) -> None:
    left, right = st.columns([2, 1], gap="medium")
    with left:
        st.html(card.picture(frame))
        percent = st.slider(
            "Anomaly map", 0, 100, DEFAULT_OPACITY, format="%d %%", key="opacity",
            persist_state="session",
        )  # fmt: skip
        st.html(card.opacity_style(percent))
    with right:
        _choose(scopes)
        st.html(card.facts(frame, line, zone()))
        _buttons(frame.id, scope)
        st.html(_state(waiting))


def _buttons(shown: int, scope: Scope) -> None:
    """Their keys name the card, so that a late press cannot reach the next one."""
    name = reviewer()
    first, second = st.columns(2, gap="small")
    with first:
        _decision("Defect", "d", Decision.DEFECT, shown, name)
        _decision("Unsure", "u", Decision.UNSURE, shown, name)
        _button("Back", "left", f"back-{shown}", deciding.back, shown, scope)
    with second:
        _decision("Good", "g", Decision.GOOD, shown, name)
        _undo_button(name)
        _button("Skip", "right", f"skip-{shown}", deciding.skip, shown)


def _decision(label: str, key: str, decision: Decision, shown: int, name: str) -> None:
    _button(label, key, f"{decision.value}-{shown}", deciding.decide, shown, decision, name)


def _undo_button(name: str) -> None:
    _button("Undo", "z", "undo", deciding.undo, name, disabled=not deciding.place().done)


def _button(
    label: str,
    shortcut: str,
    key: str,
    action: Callable[..., None],
    *arguments: object,
    disabled: bool = False,
) -> None:
    st.button(
        label,
        key=key,
        shortcut=shortcut,
        on_click=action,
        args=arguments,
        disabled=disabled,
        width="stretch",
    )


def _state(waiting: int) -> str:
    """How much there is to do, for whom it is stored, and what became of the last press."""
    note = deciding.place().note
    about = f"{count(waiting)} waiting · decisions are stored for {escape(reviewer())}"
    return f'<div class="lw-state">{warning(note) if note else ""}<p>{about}</p></div>'


def _show_empty(scopes: dict[str, Scope]) -> None:
    st.html(notice("Nothing to review", "New parts appear here by themselves."))
    _, middle, _ = st.columns([1, 1, 1])
    with middle:
        _choose(scopes)
        _undo_button(reviewer())
        note = deciding.place().note
        if note:
            st.html(warning(note))


def _prepare(coming: InspectionView) -> None:
    """Render a card's pictures ahead."""
    parts = pictures.of(coming)
    if parts is not None:
        pictures.card(parts)


if __name__ == "__main__":
    with st.sidebar:
        name_field()
    st.html(f"<script>{KEYS.read_text('utf-8')}</script>", unsafe_allow_javascript=True)
    page()
