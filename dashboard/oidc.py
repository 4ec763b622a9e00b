"""Log-in through the plant's identity provider, by Streamlit's own `st.login`.

The provider says who somebody is, and nothing else: they must be a user of ours, whose role is
ours to give.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import streamlit as st

from dashboard.actor import LoggedIn
from dashboard.database import session
from dashboard.markup import notice
from db.tables import Role
from db.users import find_user

NOT_CONFIGURED = (
    "The setting `login` is `oidc`, but Streamlit has no `[auth]` section in its `secrets.toml`, "
    "or Authlib is not installed (`pip install linewatch[oidc]`). The README says what to write."
)


def read(hours: float) -> LoggedIn | None:
    """Our user whom the provider names; None: nobody, a stranger, or not since `hours`."""
    name = _claimed_name()
    until = _issued_at() + timedelta(hours=hours)
    if name is None or until <= datetime.now(UTC):
        return None
    with session() as reads:
        user = find_user(reads, name)
        if user is None or user.disabled_at is not None:
            return None
        return LoggedIn(user.id, user.name, Role(user.role), until, token=None)


def show() -> None:
    """The page before the pages: a button to the provider, or why one is not let in."""
    if not is_configured():
        st.html(notice("The log-in is not configured", NOT_CONFIGURED))
        return
    name = _claimed_name()
    with st.container(key="log-in"):
        if name is not None and not _is_ours(name):
            st.html(
                notice(
                    "You are no user here yet",
                    f"Your company knows you as {name}. Ask an admin of linewatch to add a user "
                    "of exactly this name, then reload this page.",
                )
            )
            st.button("Log out", on_click=st.logout, width="stretch")
            return
        st.html("<h1>Log in</h1>")
        st.button("Log in with your company account", type="primary", on_click=st.login)


def is_configured() -> bool:
    """Whether Streamlit knows a provider and can talk to it."""
    # Streamlit says whether somebody is logged in only where it knows a provider.
    return "is_logged_in" in st.user.to_dict() and find_spec("authlib") is not None


def _is_ours(name: str) -> bool:
    with session() as reads:
        user = find_user(reads, name)
        return user is not None and user.disabled_at is None


def _claimed_name() -> str | None:
    """The e-mail address the provider vouches for, else the name people log in to it with."""
    claims = st.user.to_dict()
    if not claims.get("is_logged_in"):
        return None
    if claims.get("email") and claims.get("email_verified") is not False:
        return str(claims["email"])
    return str(claims["preferred_username"]) if claims.get("preferred_username") else None


def _issued_at() -> datetime:
    """When the provider said so: its cookie lasts for a month, a log-in here does not."""
    issued = st.user.to_dict().get("iat")
    return datetime.fromtimestamp(float(str(issued or 0)), UTC)
