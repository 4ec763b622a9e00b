"""Users: who may log in, as what; for admins."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import LoginMode, current_actor, demand, mode
from dashboard.changing import attempt, show_told, tell
from dashboard.contact_sheet import Pages
from dashboard.database import explained, session
from dashboard.markup import date_and_time, plain_label, warning
from dashboard.viewer import zone
from db import passwords, users
from db.access import require
from db.tables import Role, User, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session
    from streamlit.delta_generator import DeltaGenerator

ROLES = [role.value for role in Role]
ROLE_HELP = (
    "Operators review. Engineers also change models, thresholds and the few-shot set, and teach "
    "lines. Admins also see the audit and change users."
)
COLUMNS = [2.4, 1.9, 2.1, 2.0, 1.6]
#: Each has five controls, which the browser draws one by one: with forty users it took seconds.
PER_PAGE = 12
#: What a new or reset password is, until the dialog that shows it is closed.
_SHOWN_ONCE = "password_shown_once"


def page() -> None:
    """The whole page."""
    with explained():
        with session() as reads:
            require(reads, current_actor(), Role.ADMIN)
            every = users.list_users(reads)
            reads.expunge_all()
        _head(len(every))
        show_told()
        pages = Pages("users-page", len(every), PER_PAGE)
        with st.container(key="users"):
            for user in every[pages.offset :][:PER_PAGE]:
                _row(user)
        pages.show()


def _head(how_many: int) -> None:
    left, right = st.columns([4, 1], vertical_alignment="center")
    enough = "1 user" if how_many == 1 else f"{how_many} users"
    left.html(f'<div class="lw-title"><h2>Users</h2><span>{enough}</span></div>')
    if right.button("Add a user", type="primary", width="stretch"):
        st.session_state.pop(_SHOWN_ONCE, None)
        _add_dialog()


def _row(user: User) -> None:
    name, role, state, password, switch = st.columns(COLUMNS, vertical_alignment="center")
    name.html(f'<div class="lw-user"><b>{escape(user.name)}</b></div>')
    key = f"role-{user.id}"
    # What the database says, whoever changed it; a refused change springs back, too.
    st.session_state[key] = user.role
    role.selectbox(
        plain_label(f"Role of {user.name}"),
        ROLES,
        key=key,
        label_visibility="collapsed",
        on_change=_set_role,
        args=(user.name, key),
        disabled=user.disabled_at is not None,
        filter_mode=None,
    )
    state.html(f'<div class="lw-user"><span>{_state(user)}</span></div>')
    if password.button("New password", key=f"password-{user.id}", width="stretch"):
        st.session_state.pop(_SHOWN_ONCE, None)
        _password_dialog(user.name)
    _switch(switch, user)


def _switch(place: DeltaGenerator, user: User) -> None:
    waits = user.locked_until is not None and user.locked_until > utc_now()
    if user.disabled_at is not None or waits:
        label, change = ("End the wait" if waits else "Enable"), users.enable
    else:
        label, change = "Disable", users.disable
    place.button(
        label,
        key=f"switch-{user.id}",
        on_click=_change,
        args=(lambda writes: change(writes, user.name, actor=current_actor()),),
        width="stretch",
    )


def _state(user: User) -> str:
    if user.disabled_at is not None:
        return f"disabled {_minute(user.disabled_at)}"
    if user.locked_until is not None and user.locked_until > utc_now():
        return f"waits after {user.failed_logins} wrong passwords"
    if user.password_hash is None and mode() is not LoginMode.OIDC:
        return "has no password"
    if user.last_login_at is None:
        return "never logged in" if mode() is LoginMode.LOCAL else "enabled"
    return f"last log-in {_minute(user.last_login_at)}"


def _minute(moment: datetime) -> str:
    return date_and_time(moment, zone())[: -len(":00")]


def _set_role(name: str, key: str) -> None:
    role = Role(st.session_state[key])
    _change(lambda writes: users.set_role(writes, name, role, actor=current_actor()))


def _change(change: Callable[[Session], object]) -> None:
    """Change something, or keep why not for the page."""
    if problem := attempt(change):
        tell(problem, is_problem=True)


@st.dialog("Add a user")
def _add_dialog() -> None:
    if _shown_once():
        return
    with st.form("add_user", border=False):
        name = st.text_input(
            "Name",
            max_chars=users.MAX_NAME_CHARS,
            help="As people know each other, or the e-mail address at the identity provider.",
        )
        role = st.selectbox("Role", ROLES, help=ROLE_HELP, filter_mode=None)
        password = None if mode() is LoginMode.OIDC else _password_field()
        pressed = st.form_submit_button("Add", type="primary", width="stretch")
    if pressed:
        _give(
            name,
            password,
            lambda writes: users.add_user(
                writes, name, Role(role), password=password, actor=current_actor()
            ),
        )


@st.dialog("New password")
def _password_dialog(name: str) -> None:
    if _shown_once():
        return
    with st.form("new_password", border=False):
        st.html(f"<p>For <b>{escape(name)}</b>, who is logged out everywhere by it.</p>")
        password = _password_field()
        pressed = st.form_submit_button("Give the new password", type="primary", width="stretch")
    if pressed:
        _give(
            name,
            password,
            lambda writes: users.set_password(writes, name, password, actor=current_actor()),
        )


def _password_field() -> str:
    """A typed password, or one that is made if none is typed."""
    typed = st.text_input(
        "Password",
        type="password",
        max_chars=passwords.MAX_CHARS,
        autocomplete="new-password",
        placeholder="made for you if left empty",
        help=f"{passwords.MIN_CHARS} characters or more; everybody can change their own later.",
    )
    return typed or passwords.first_password()


def _give(name: str, password: str | None, change: Callable[[Session], object]) -> None:
    """Make the change of a dialog; then show the password, this once, or say why it failed."""
    if problem := attempt(change):
        st.html(warning(problem))
        return
    if password is not None:
        st.session_state[_SHOWN_ONCE] = (name.strip(), password)
        st.rerun(scope="fragment")
    st.rerun()


def _shown_once() -> bool:
    """The password to hand over, if there is one."""
    given = st.session_state.get(_SHOWN_ONCE)
    if given is None:
        return False
    name, password = given
    st.html(
        f"<p>Hand this password to <b>{escape(name)}</b>. It is shown this once and kept nowhere; "
        "they change it in the menu under their name.</p>"
    )
    st.code(password, language=None)
    if st.button("Done", type="primary", width="stretch"):
        del st.session_state[_SHOWN_ONCE]
        st.rerun()
    return True


if __name__ == "__main__":
    demand(Role.ADMIN)
    page()
