"""The dialog that asks once more before something is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.changing import change
from dashboard.markup import sentence, warning

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Question:
    """A change that is made once it was confirmed."""

    title: str
    #: What it changes, for people; HTML.
    text: str
    #: On the button that makes it.
    confirm: str
    make: Callable[[Session], object]
    #: What the page says afterwards.
    success: str
    #: On the button that leaves everything as it is.
    keep: str = "Cancel"
    #: What speaks against it.
    caution: str | None = None


def ask(question: Question) -> None:
    """Open the dialog; what became of the change is said on the page under it."""
    st.dialog(question.title, width="medium")(_show)(question)


def _show(question: Question) -> None:
    st.html(f'<div class="lw-ask">{question.text}</div>')
    if question.caution:
        st.html(warning(sentence(question.caution)))
    with st.container(key="ask-buttons", horizontal=True, horizontal_alignment="right"):
        if st.button(question.keep, key="ask-cancel"):
            st.rerun()
        if st.button(
            question.confirm,
            key="ask-confirm",
            type="primary",
            on_click=_make,
            args=(question,),
        ):
            st.rerun()


def _make(question: Question) -> None:
    change(question.make, question.success)
