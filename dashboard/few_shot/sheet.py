"""The contact sheet: confirmed defects by class; a press shows one large."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import pictures
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
    pages = max(1, -(-len(chosen) // PER_PAGE))
    page = min(int(st.session_state.get(_PAGE, 1)), pages)
    on_page = chosen[PER_PAGE * (page - 1) : PER_PAGE * page]
    for number, (name, group) in enumerate(groupby(on_page, class_of)):
        st.html(_heading(view, name))
        with st.container(key=f"few-shot-sheet-{number}"):
            for one in group:
                _show_cell(one)
    if pages > 1:
        with st.container(key="sheet-pages", horizontal_alignment="center"):
            st.pagination(pages, key=_PAGE)


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


def _show_cell(one: FewShotSample) -> None:
    with st.container(key=f"press-frame-{one.id}"):
        st.html(cell(one))
        st.button(
            f"Show defect {one.id}",
            key=f"few-shot-{one.id}",
            on_click=open_card,
            args=(one.id,),
            width="stretch",
        )


def cell(one: FewShotSample) -> str:
    """A defect's picture, outlined, with a badge where the next training leaves it out."""
    uri = pictures.marked(one.image_key, one.mask_key)
    image = f'<img decoding="sync" alt="" src="{uri}">' if uri else "<p>missing</p>"
    if one.why_not is None:
        return f'<div class="lw-cell used">{image}</div>'
    kind = {NotUsed.GOLDEN: "golden", NotUsed.REMOVED: "gone"}.get(one.why_not, "idle")
    badge = BADGES[one.why_not]
    if one.why_not is NotUsed.NEAR_DUPLICATE:
        badge += f" of {one.duplicate_of_id}"
    return f'<div class="lw-cell {kind}">{image}<b>{badge}</b></div>'
