"""How a log-in gets into the browser's cookie.

A page cannot set a cookie that scripts cannot read, a web request can. So the page gives the
browser a ticket that is good once and for a minute, the browser's script carries it to `ROUTE`,
and `dashboard.server` answers with the cookie. Page and route live in one process.
"""

from __future__ import annotations

import secrets
from threading import Lock
from time import monotonic

#: Where a ticket is turned into the cookie.
ROUTE = "/browser-session"
COOKIE = "linewatch_session"
#: Scripts of other sites cannot send this header without being asked for permission first.
HEADER = "X-Linewatch"
LIFETIME_S = 60.0
MOST = 1000

_lock = Lock()
_tickets: dict[str, tuple[str, float]] = {}


def issue(token: str) -> str:
    """A ticket for the session of `token`."""
    ticket = secrets.token_urlsafe(24)
    now = monotonic()
    with _lock:
        for old, (_, until) in list(_tickets.items()):
            if until <= now or len(_tickets) >= MOST:
                del _tickets[old]
        _tickets[ticket] = (token, now + LIFETIME_S)
    return ticket


def redeem(ticket: str) -> str | None:
    """The token a ticket stands for; None if there is none, or not any more."""
    with _lock:
        token, until = _tickets.pop(ticket, ("", 0.0))
    return token if until > monotonic() else None
