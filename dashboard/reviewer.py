"""Who is reviewing. Until there is a log-in, people enter their name."""

from __future__ import annotations

import os

import streamlit as st

NAME_VARIABLE = "LINEWATCH_OPERATOR"
DEFAULT_NAME = "operator"
MAX_NAME_CHARS = 128
_KEY = "reviewer_name"


def name_field() -> None:
    """The field for the reviewer's name, remembered until the browser's page is closed."""
    st.text_input(
        "Reviewer",
        value=os.environ.get(NAME_VARIABLE) or DEFAULT_NAME,
        max_chars=MAX_NAME_CHARS,
        key=_KEY,
        help="Every decision is stored under this name.",
    )


def reviewer() -> str:
    """The name decisions are stored under."""
    name = str(st.session_state.get(_KEY, "")).strip()
    return name or os.environ.get(NAME_VARIABLE) or DEFAULT_NAME
