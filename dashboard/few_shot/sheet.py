"""The contact sheet: confirmed defects by class; a press shows one large."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import pictures
from dashboard.contact_sheet import Pages, cell, pressable
from dashboard.few_shot.reading import class_of
from dashboard.few_shot.sample_card import open_card
from dashboard.few_shot.words import BADGES
from dashboard.markup import count
from db.few_shot import NotUsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboard.few_shot.reading import FewShotView
    from db.few_shot import FewShotSample

PER_PAGE = 36
_PAGE = "few-shot-page"


def show(view: FewShotView, chosen: Sequence[FewShotSample]) -> None:
    """One page of those that were chosen."""
    pages = Pages(_PAGE, len(chosen), PER_PAGE)
    on_page = chosen[pages.offset :][:PER_PAGE]
    for number, (name, group) in enumerate(groupby(on_page, class_of)):
        st.html(_heading(view, name))
        with st.container(key=f"few-shot-sheet-{number}"):
            for one in group:
                pressable(
                    f"frame-{one.id}", picture(one), f"Show defect {one.id}",
                    key=f"few-shot-{one.id}", press=open_card, argument=one.id,
                )  # fmt: skip
    pages.show()


def first_page() -> None:
    """Begin anew, when something else is chosen."""
    st.session_state.pop(_PAGE, None)


def _heading(view: FewShotView, name: str) -> str:
    every = view.of_class(name)
    used = sum(one.why_not is None for one in every)
    return (
        f'<div class="lw-title"><h2>{escape(name)}</h2>'
        f"<span>{count(len(every))} confirmed · the next training uses {count(used)}</span></div>"
    )


def picture(one: FewShotSample) -> str:
    """A defect's picture, outlined, with a badge where the next training leaves it out."""
    uri = pictures.marked(one.image_key, one.mask_key)
    if one.why_not is None:
        return cell(uri, "used")
    kind = {NotUsed.GOLDEN: "golden", NotUsed.REMOVED: "gone"}.get(one.why_not, "idle")
    badge = BADGES[one.why_not]
    if one.why_not is NotUsed.NEAR_DUPLICATE:
        badge += f" of {one.duplicate_of_id}"
    return cell(uri, kind, f"<b>{badge}</b>")
