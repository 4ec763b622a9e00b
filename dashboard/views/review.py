"""Review: what waits for a person, one card at a time, decided by button or key."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import card, deciding, dismissing, drawing, filters, pictures
from dashboard.actor import current_actor
from dashboard.database import explained, session
from dashboard.markup import count, notice, plain_label, warning
from dashboard.viewer import zone
from db import lines, review_queue
from db.defect_classes import WITH_KEYS, list_classes
from db.tables import Decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from dashboard.deciding import Look
    from dashboard.filters import Scope
    from dashboard.proposal import Proposal
    from db.inspections import InspectionView
    from db.review_queue import Wanted
    from db.tables import ReviewQueue

KEYS = Path(__file__).parent.parent / "keys.js"
LOOK_AGAIN_S = 5
#: Well before a claim ends.
RENEW_S = 20
DEFAULT_OPACITY = 60
_IDLE = "review_idle"


def page() -> None:
    """The whole page. A fragment, so that a key costs one card and nothing else.

    It refreshes itself while there is no card. A card stays until it is decided or skipped:
    none may change in the moment a key is pressed.
    """
    was_idle = bool(st.session_state.get(_IDLE))
    st.fragment(_page, run_every=LOOK_AGAIN_S if was_idle else None)()
    st.fragment(_keep_claim, run_every=RENEW_S)()


def _page() -> None:
    idle = not _show_card()
    if idle != bool(st.session_state.get(_IDLE)):
        st.session_state[_IDLE] = idle
        st.rerun()


def _keep_claim() -> None:
    if not deciding.keep_claim():
        st.rerun()


def _show_card() -> bool:
    """The card on show or a message in its place; True if it is a card."""
    with explained():
        with session() as reads:
            names = {line.id: line.name for line in lines.list_lines(reads)}
            scopes = filters.read_scopes(reads, names)
        wanted = filters.chosen(scopes)
        with session() as writes, writes.begin():
            cards = deciding.cards(writes, wanted)
        with session() as reads:
            # Cards on show elsewhere wait too.
            waiting = review_queue.counts(reads, replace(wanted, holder=None))
            _bar(reads, waiting, scopes, wanted)
            look = deciding.place().look
            if look is None:
                _show_empty(wanted)
                return False
            classes = [each.name for each in list_classes(reads, look.frame.line_id)]
        _show(look, names[look.frame.line_id], classes, wanted, waiting[wanted.queue])
        for coming in cards[1:]:
            _prepare(coming)
        return True
    return False


def _bar(
    reads: Session,
    waiting: dict[ReviewQueue, int],
    scopes: dict[str, Scope],
    wanted: Wanted,
) -> None:
    with st.container(key="review-bar", horizontal=True, gap="small"):
        filters.choose_queue(waiting)
        filters.choose_scope(scopes)
        filters.narrow(reads, wanted)
        dismissing.offer(reads, wanted, escape(str(st.session_state[filters.SCOPE])))


def _show(look: Look, line: str, classes: list[str], wanted: Wanted, waiting: int) -> None:
    left, right = st.columns([2, 1], gap="small")
    mask = look.shown_mask()
    # What a press needs comes first: the picture, then its buttons; the rest follows. Buttons of a
    # card that is not seen yet must never be there.
    with left:
        is_drawing = look.is_drawing and drawing.show(look)
        if not is_drawing:
            st.html(card.picture(look.frame, mask, accepted=look.is_mask_accepted))
    with right:
        about = st.container()
        if not is_drawing:  # its keys are the canvas's
            _decisions(look, classes)
        st.html(_state(waiting))
    with about:
        st.html(card.facts(look.frame, line, zone(), look.words))
    if not is_drawing:
        with left:
            _tools(look, mask, wanted)


def _tools(look: Look, mask: Proposal | None, wanted: Wanted) -> None:
    """What is below the picture: how it is seen, its mask, and the way to the cards beside it."""
    shown = look.frame.id
    with st.container(
        key="review-tools", horizontal=True, gap="small", vertical_alignment="center"
    ):
        if not card.is_blind(look.frame):
            percent = st.slider(
                "Map", 0, 100, DEFAULT_OPACITY, format="%d %%", key="opacity",
                persist_state="session",
            )  # fmt: skip
            st.html(card.opacity_style(percent))
        if mask is not None:
            label = "No mask" if look.is_mask_accepted else "Use mask"
            _button(label, "m", f"mask-{shown}", deciding.toggle_mask, shown)
        if drawing.is_possible(look.frame):
            _button("Draw", "e", f"draw-{shown}", deciding.draw, shown)
        _button("Back", "left", f"back-{shown}", deciding.back, shown, wanted)
        _button("Skip", "right", f"skip-{shown}", deciding.skip, shown)


def _decisions(look: Look, classes: list[str]) -> None:
    """Their keys name the card, so that a late press cannot reach the next one."""
    shown = look.frame.id
    is_asked = look.choosing_since is not None
    with st.container(key="review-answers"):
        _button(
            "No class" if is_asked else "Defect", "d", f"defect-{shown}", deciding.defect, shown,
            has_classes=bool(classes),
        )  # fmt: skip
        _button("Good", "g", f"good-{shown}", deciding.decide, shown, Decision.GOOD)
    if classes:
        with st.container(key="review-classes-asked" if is_asked else "review-classes"):
            for number, name in enumerate(classes, start=1):
                _button(
                    name, str(number) if number <= WITH_KEYS else None,
                    f"class-{number}-{shown}", deciding.decide, shown, Decision.DEFECT, name,
                )  # fmt: skip
    with st.container(key="review-others"):
        _button("Unsure", "u", f"unsure-{shown}", deciding.decide, shown, Decision.UNSURE)
        _undo_button()


def _undo_button() -> None:
    _button("Undo", "z", "undo", deciding.undo, disabled=not deciding.place().done)


def _button(
    label: str,
    shortcut: str | None,
    key: str,
    action: Callable[..., None],
    *arguments: object,
    disabled: bool = False,
    **options: object,
) -> None:
    st.button(
        plain_label(label),
        key=key,
        shortcut=shortcut,
        on_click=action,
        args=arguments,
        kwargs=options,
        disabled=disabled,
        width="stretch",
    )


def _state(waiting: int) -> str:
    """How much there is to do, for whom it is stored, and what became of the last press."""
    here = deciding.place()
    note, look = here.note, here.look
    if note is None and look and look.choosing_since is not None and not look.is_drawing:
        note = "Which defect? Press its number"
    about = f"{count(waiting)} waiting · stored for {escape(current_actor().name)}"
    return f'<div class="lw-state">{warning(note) if note else ""}<p>{about}</p></div>'


def _show_empty(wanted: Wanted) -> None:
    queue = filters.QUEUE_NAMES[wanted.queue]
    limits = "Filters are set: clear them to see more." if filters.is_narrowed(wanted.queue) else ""
    st.html(
        notice("Nothing to review", f"“{queue}”: new parts appear here by themselves. {limits}")
    )
    _, middle, _ = st.columns([1, 1, 1])
    with middle:
        _undo_button()
        note = deciding.place().note
        if note:
            st.html(warning(note))


def _prepare(coming: InspectionView) -> None:
    """Render a card's pictures ahead."""
    parts = pictures.of(coming, bare=card.is_blind(coming))
    if parts is not None:
        pictures.card(parts)


if __name__ == "__main__":
    st.html(f"<script>{KEYS.read_text('utf-8')}</script>", unsafe_allow_javascript=True)
    page()
