"""Log-ins with name and password, and how guessing is slowed.

An attempt is counted before its password is looked at, so that many at once gain nothing. After
`FREE_ATTEMPTS` wrong ones the account waits, longer each time, and takes no password meanwhile.
Whatever was wrong, the answer is the same, after the same time: nobody learns which names exist.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update

from db import audit, passwords
from db.access import Actor, require
from db.errors import LoginRefused
from db.login_sessions import close_sessions_of
from db.tables import Role, User, utc_now
from db.users import find_user, get_user

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FREE_ATTEMPTS = 5
FIRST_WAIT_S = 5
LONGEST_WAIT_S = 300
REFUSED = (
    "The name or the password is wrong. After several wrong passwords an account waits, "
    "for 5 minutes at most: then try again."
)


def authenticate(session: Session, name: str, password: str) -> User:
    """The user who shows this name and password; commits, as attempts count even if refused.

    Raises:
        LoginRefused: if name or password is wrong, the account is disabled or has no password, or
            it has to wait.
    """
    user = find_user(session, name)
    if user is None or not check_password(session, user, password):
        if user is None:
            passwords.verify(None, password)
        raise LoginRefused(REFUSED)
    user.last_login_at = utc_now()
    audit.append(session, actor=Actor(user.name), action="user.logged_in", subject=_subject(user))
    session.commit()
    return user


def check_password(session: Session, user: User, password: str) -> bool:
    """Whether it is the user's, who may log in now; commits the count of attempts."""
    attempt = _begin_attempt(session, user)
    usable = user.password_hash if attempt and user.disabled_at is None else None
    if not passwords.verify(usable, password):
        if attempt and _is_power_of_two(attempt):
            # Told of, but not once for each of a million guesses.
            audit.append(
                session,
                actor=Actor(user.name),
                action="user.login_failed",
                subject=_subject(user),
                attempts=attempt,
            )
        session.commit()
        return False
    user.failed_logins, user.locked_until = 0, None
    if usable is not None and passwords.needs_rehash(usable):
        user.password_hash = passwords.hash_password(password, user.name)
    session.commit()
    return True


def change_own_password(
    session: Session, old: str, new: str, *, actor: Actor, token: str | None = None
) -> None:
    """Change one's own password, and end one's sessions in other browsers.

    Commits, as the check of the old password counts attempts.

    Args:
        token: of the browser's session that goes on.

    Raises:
        LoginRefused: if the old password is wrong, or was wrong too often just now.
        WeakPassword: if the new password is refused.
    """
    require(session, actor, Role.OPERATOR)
    user = get_user(session, actor.name)
    new_hash = passwords.hash_password(new, user.name)
    if not check_password(session, user, old):
        raise LoginRefused(
            "the old password is wrong, or was wrong too often: try again in some minutes"
        )
    user.password_hash = new_hash
    close_sessions_of(session, user.id, keep=token)
    audit.append(session, actor=actor, action="user.password_changed", subject=_subject(user))
    session.commit()


def wait_after(attempts: int) -> timedelta | None:
    """How long an account takes no password after so many wrong ones; None: not at all."""
    over = attempts - FREE_ATTEMPTS
    if over < 0:
        return None
    # The exponent is bounded, as the count of attempts is not.
    return timedelta(seconds=min(FIRST_WAIT_S * 2 ** min(over, 16), LONGEST_WAIT_S))


def _begin_attempt(session: Session, user: User) -> int:
    """Count an attempt as failed until it is known better; 0 if the account has to wait."""
    now = utc_now()
    session.execute(
        update(User)
        .where(User.id == user.id, or_(User.locked_until.is_(None), User.locked_until <= now))
        .values(failed_logins=User.failed_logins + 1, locked_until=None)
        .execution_options(synchronize_session=False)
    )
    found = select(User).where(User.id == user.id).execution_options(populate_existing=True)
    fresh = session.scalars(found).one()
    if fresh.locked_until is not None:
        session.commit()
        return 0
    wait = wait_after(fresh.failed_logins)
    fresh.locked_until = now + wait if wait else None
    attempt = fresh.failed_logins
    session.commit()
    session.refresh(fresh)
    return attempt


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _subject(user: User) -> str:
    return f"user:{user.name}"
