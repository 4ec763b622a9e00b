"""Who uses the page, and what they may.

Pages ask here to hide what a person may not do; whether they may is decided by `db.access` in the
transaction of every change, whatever a page shows.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.markup import notice
from db.access import Actor, includes, trusted
from db.errors import Forbidden
from db.tables import Role, utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LOGIN_VARIABLE = "LINEWATCH_LOGIN"
NAME_VARIABLE = "LINEWATCH_OPERATOR"
DEFAULT_NAME = "operator"
#: Key of the field in which people type their name where nobody logs in.
NAME_KEY = "reviewer_name"
_KEY = "logged_in"


class LoginMode(StrEnum):
    """How people log in, as the setting `login` says."""

    LOCAL = "local"
    OIDC = "oidc"
    #: Nobody logs in: whoever reaches the dashboard may everything, under the name they type.
    OPEN = "open"


class NotLoggedIn(Forbidden):
    """Raised when a page wants to know who uses it, and nobody is logged in, or not any more."""

    def __init__(self) -> None:
        super().__init__("nobody is logged in: log in first")


@dataclass(slots=True)
class LoggedIn:
    """Who logged in, in this browser's session."""

    user_id: int
    name: str
    role: Role
    #: When they have to log in again.
    expires_at: datetime
    #: What the browser's cookie holds; None: the identity provider keeps the log-in.
    token: str | None = field(repr=False)
    #: When name and role were read from the database.
    read_at: float = field(default_factory=monotonic)

    @property
    def is_over(self) -> bool:
        """Whether they have to log in again."""
        return self.expires_at <= utc_now()


def mode(environment: Mapping[str, str] = os.environ) -> LoginMode:
    """How people log in; by default with a name and a password."""
    return LoginMode(environment.get(LOGIN_VARIABLE) or LoginMode.LOCAL)


def logged_in() -> LoggedIn | None:
    """Who logged in; None: nobody, or nobody needs to."""
    found: LoggedIn | None = st.session_state.get(_KEY)
    return found


def remember(who: LoggedIn | None) -> None:
    """Let this browser's session be that person's, or nobody's."""
    if who is None:
        st.session_state.pop(_KEY, None)
    else:
        st.session_state[_KEY] = who


def current_actor() -> Actor:
    """Who makes the changes of this page.

    Raises:
        NotLoggedIn: if nobody has logged in.
    """
    if mode() is LoginMode.OPEN:
        return trusted(_typed_name())
    return Actor(_who().name)


def current_role() -> Role:
    """Their role, as it was in the database a moment ago.

    Raises:
        NotLoggedIn: if nobody has logged in.
    """
    if mode() is LoginMode.OPEN:
        return Role.ADMIN
    return _who().role


def may(role: Role) -> bool:
    """Whether the person may do what `role` may; a button for it can then be shown."""
    try:
        return includes(current_role(), role)
    except NotLoggedIn:
        return False


def demand(role: Role) -> None:
    """End the page here, with a word why, unless the person may do what `role` may."""
    if may(role):
        return
    who = logged_in()
    known = f"You are logged in as {who.name}, an {who.role}. " if who else ""
    text = f"{known}Ask an admin if you should see it."
    st.html(notice(f"This page needs an {role.value}", text))
    st.stop()


def _who() -> LoggedIn:
    """Asked with every change: a press in a page that slept comes before the page looks again."""
    who = logged_in()
    if who is None or who.is_over:
        raise NotLoggedIn
    return who


def _typed_name() -> str:
    name = str(st.session_state.get(NAME_KEY, "")).strip()
    return name or os.environ.get(NAME_VARIABLE) or DEFAULT_NAME
