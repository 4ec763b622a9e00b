"""The menu of the person who uses the pages: who they are, their password, log out."""

from __future__ import annotations

import os
from html import escape

import streamlit as st
import structlog
from sqlalchemy.exc import SQLAlchemyError

from dashboard import deciding, login
from dashboard.actor import (
    DEFAULT_NAME,
    NAME_KEY,
    NAME_VARIABLE,
    LoginMode,
    current_actor,
    current_role,
    logged_in,
    mode,
)
from dashboard.changing import NOT_STORED
from dashboard.database import session
from dashboard.markup import plain_label, sentence, warning
from db.errors import DbError
from db.logins import change_own_password
from db.passwords import MAX_CHARS, MIN_CHARS
from db.users import MAX_NAME_CHARS

NOT_LOGGED_OUT = "Not logged out, the database did not take it: press again in a moment"
_NOTE = "account_note"

log = structlog.get_logger()


def show() -> None:
    """The menu, at the right end of the navigation."""
    name = current_actor().name
    with st.container(key="account"), st.popover(plain_label(name)):
        if mode() is LoginMode.OPEN:
            _name_field()
            return
        st.html(f"<p><b>{escape(name)}</b><br>{escape(current_role().value)}</p>")
        if mode() is LoginMode.LOCAL and st.button("Change password", width="stretch"):
            _password_dialog()
        st.button("Log out", on_click=_log_out, width="stretch")
        if note := st.session_state.pop(_NOTE, None):
            st.html(warning(note))


def _name_field() -> None:
    st.text_input(
        "Your name",
        value=os.environ.get(NAME_VARIABLE) or DEFAULT_NAME,
        max_chars=MAX_NAME_CHARS,
        key=NAME_KEY,
        help="Every decision is stored under this name.",
    )


def _log_out() -> None:
    deciding.leave()
    if not login.log_out():
        st.session_state[_NOTE] = NOT_LOGGED_OUT


@st.dialog("Change password")
def _password_dialog() -> None:
    with st.form("change_password", border=False):
        old = _password_field("Old password", "current-password")
        new = _password_field("New password", "new-password", f"{MIN_CHARS} characters or more.")
        again = _password_field("New password, once more", "new-password")
        pressed = st.form_submit_button("Change password", type="primary", width="stretch")
    if not pressed:
        return
    if new != again:
        st.html(warning("The new passwords differ: type the same one twice"))
        return
    who = logged_in()
    try:
        with session() as writes:
            actor = current_actor()
            change_own_password(writes, old, new, actor=actor, token=who.token if who else None)
    except DbError as error:
        st.html(warning(sentence(str(error))))
        return
    except SQLAlchemyError:
        log.warning("password_not_changed", exc_info=True)
        st.html(warning(NOT_STORED))
        return
    st.rerun()


def _password_field(label: str, autocomplete: str, help_text: str | None = None) -> str:
    return st.text_input(
        label, type="password", max_chars=MAX_CHARS, autocomplete=autocomplete, help=help_text
    )
