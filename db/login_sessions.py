"""Browsers in which someone is logged in.

The browser keeps a random token in a cookie, the database its hash: who reads the database cannot
use it. A session ends with its time, a log-out, a new password, or its user being disabled.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from db.tables import LoginSession, Role, User, utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class SessionUser:
    """Whose session it is, as the database says now."""

    user_id: int
    name: str
    role: Role
    expires_at: datetime


def open_session(session: Session, user_id: int, *, hours: float) -> str:
    """Begin one for a user who has just shown who they are; returns the token for the cookie.

    Sessions that are over, of anyone, are forgotten.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = utc_now()
    session.execute(delete(LoginSession).where(LoginSession.expires_at <= now))
    session.add(
        LoginSession(
            token_sha256=_digest(token), user_id=user_id, expires_at=now + timedelta(hours=hours)
        )
    )
    session.flush()
    return token


def session_user(session: Session, token: str) -> SessionUser | None:
    """Whose session that is; None: nobody's, it is over, or its user is disabled."""
    query = (
        select(User.id, User.name, User.role, LoginSession.expires_at)
        .join(User, User.id == LoginSession.user_id)
        .where(LoginSession.token_sha256 == _digest(token))
        .where(LoginSession.expires_at > utc_now())
        .where(User.disabled_at.is_(None))
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    return SessionUser(found.id, found.name, Role(found.role), found.expires_at)


def close_session(session: Session, token: str) -> None:
    """End one."""
    session.execute(delete(LoginSession).where(LoginSession.token_sha256 == _digest(token)))


def close_sessions_of(session: Session, user_id: int, *, keep: str | None = None) -> None:
    """End all of a user's sessions but the one of the token `keep`."""
    ending = delete(LoginSession).where(LoginSession.user_id == user_id)
    if keep is not None:
        ending = ending.where(LoginSession.token_sha256 != _digest(keep))
    session.execute(ending)


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
