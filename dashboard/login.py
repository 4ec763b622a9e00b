"""The log-in: who comes in, the page that asks, and how a browser stays logged in.

A log-in is a row in the database and a token in a cookie (`db.login_sessions`), so it outlives a
reloaded page, a broken connection and a dashboard that was started again.
"""

from __future__ import annotations

import os
from time import monotonic

import streamlit as st
import structlog
from sqlalchemy.exc import DBAPIError

from dashboard import oidc, tickets
from dashboard.actor import LoggedIn, LoginMode, logged_in, mode, remember
from dashboard.database import explained, session
from dashboard.markup import notice, warning
from db.errors import DbError, LoginRefused
from db.login_sessions import close_session, open_session, session_user
from db.logins import authenticate
from db.passwords import MAX_CHARS
from db.users import MAX_NAME_CHARS, somebody_can_log_in

HOURS_VARIABLE = "LINEWATCH_SESSION_HOURS"
DEFAULT_HOURS = 12.0
#: A page believes for so long what it read about its user; changes ask the database anyway.
READ_AGAIN_S = 5.0
#: How often an open page makes sure that its user may still see it.
WATCH_S = 20
FIRST_ADMIN = (
    "At the computer that runs linewatch, `linewatch user add NAME --role admin` makes the first "
    "one. It asks for a password. Then reload this page."
)
_TICKET = "login_ticket"

log = structlog.get_logger()


def let_in() -> bool:
    """Whether this browser's session is somebody's; reads again what is known about them."""
    if mode() is LoginMode.OPEN:
        return True
    known = logged_in()
    if known is not None and not known.is_over and monotonic() - known.read_at < READ_AGAIN_S:
        return True
    try:
        found = oidc.read(hours()) if mode() is LoginMode.OIDC else _read(known)
    except (DbError, DBAPIError):
        # Who was in stays in: pages say calmly that the database is away, and come back by
        # themselves with it, and no change is possible meanwhile.
        log.warning("login_not_read", exc_info=True)
        found = None if known is None or known.is_over else known
    if found is None and known is not None:
        leave()
    else:
        remember(found)
    return found is not None


def watch() -> None:
    """Look again from time to time: an open page ends with the log-in of its user."""
    if mode() is not LoginMode.OPEN:
        st.fragment(_look_again, run_every=WATCH_S)()


def _look_again() -> None:
    if _standing() != (_standing() if let_in() else None):
        st.rerun()


def leave() -> None:
    """Forget all this browser's session holds; the next person begins anew."""
    st.session_state.clear()


def log_out() -> bool:
    """End the log-in of this browser; False if the database did not take it."""
    who = logged_in()
    if mode() is LoginMode.OIDC:
        leave()
        st.logout()
        return True
    try:
        if who is not None and who.token is not None:
            with session() as writes, writes.begin():
                close_session(writes, who.token)
    except (DbError, DBAPIError):
        log.warning("not_logged_out", exc_info=True)
        return False
    leave()
    return True


def show() -> None:
    """The page that asks who is there."""
    with explained():
        if mode() is LoginMode.OIDC:
            oidc.show()
            return
        with session() as reads:
            ready = somebody_can_log_in(reads)
        if ready:
            _ask()
        else:
            st.html(notice("Nobody can log in yet", FIRST_ADMIN))


def keep_cookie() -> None:
    """Once after the log-in: let the browser fetch the cookie that outlives this page."""
    ticket = st.session_state.pop(_TICKET, None)
    if ticket is None:
        return
    script = (
        f'fetch("{tickets.ROUTE}", {{method: "POST", body: "{ticket}", '
        f'headers: {{"{tickets.HEADER}": "1"}}}});'
    )
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def hours() -> float:
    """How long a log-in is good for."""
    return float(os.environ.get(HOURS_VARIABLE) or DEFAULT_HOURS)


def _standing() -> tuple[str, str] | None:
    who = logged_in()
    return None if who is None else (who.name, who.role)


def _read(known: LoggedIn | None) -> LoggedIn | None:
    token = known.token if known else _cookie()
    if not token:
        return None
    with session() as reads:
        found = session_user(reads, token)
    if found is None:
        return None
    return LoggedIn(found.user_id, found.name, found.role, found.expires_at, token)


def _cookie() -> str | None:
    """What the browser sent when it connected."""
    return st.context.cookies.get(tickets.COOKIE)


def _ask() -> None:
    with st.container(key="log-in"):
        st.html("<h1>Log in</h1>")
        with st.form("log_in", border=False):
            name = st.text_input("Name", max_chars=MAX_NAME_CHARS, autocomplete="username")
            password = st.text_input(
                "Password", type="password", max_chars=MAX_CHARS, autocomplete="current-password"
            )
            pressed = st.form_submit_button("Log in", type="primary", width="stretch")
        if pressed:
            _log_in(name, password)


def _log_in(name: str, password: str) -> None:
    """Let them in and run the page they came for, or say that it was wrong."""
    try:
        with session() as writes:
            user = authenticate(writes, name, password)
            token = open_session(writes, user.id, hours=hours())
            writes.commit()
            found = session_user(writes, token)
    except LoginRefused as refusal:
        log.warning("login_refused", address=st.context.ip_address)
        st.html(warning(str(refusal)))
        return
    if found is None:  # disabled in this very moment
        return
    remember(LoggedIn(found.user_id, found.name, found.role, found.expires_at, token))
    st.session_state[_TICKET] = tickets.issue(token)
    st.rerun()
