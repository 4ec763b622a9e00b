"""A change that a page makes: done whole or not at all, and told in words either way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
import structlog
from sqlalchemy.exc import SQLAlchemyError

from dashboard.database import session
from dashboard.markup import done, sentence, warning
from db.errors import DbError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

log = structlog.get_logger()

NOT_STORED = "Not stored, the database did not take it: press again in a moment"
_KEY = "told"


def attempt(change: Callable[[Session], object]) -> str | None:
    """Make a change in a transaction of its own; what kept it from being made, or None."""
    try:
        with session() as writes, writes.begin():
            change(writes)
    except (DbError, ValueError) as error:
        return sentence(str(error))
    except SQLAlchemyError:
        log.warning("change_not_stored", exc_info=True)
        return NOT_STORED
    return None


def change(what: Callable[[Session], object], success: str) -> bool:
    """Make a change, and keep what became of it for `show_told`; whether it was made."""
    problem = attempt(what)
    tell(problem or success, is_problem=problem is not None)
    return problem is None


def tell(text: str, *, is_problem: bool = False) -> None:
    """Keep a line for the next run of the page."""
    st.session_state[_KEY] = (text, is_problem)


def show_told() -> None:
    """What became of the last press, once; in view wherever on the page the press was."""
    text, is_problem = st.session_state.pop(_KEY, (None, False))
    if text:
        told = warning(text) if is_problem else done(text)
        st.html(f'<div class="lw-told">{told}</div>')
