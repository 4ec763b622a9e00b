"""People who may log in: added, given roles and passwords, disabled; each change is an event.

There is always an admin who can log in: the last one can be neither disabled nor demoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from db import audit
from db.access import require
from db.errors import Conflict, DbError, NotFound
from db.inserting import insert_if_absent
from db.login_sessions import close_sessions_of
from db.passwords import hash_password
from db.tables import Role, User, utc_now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.access import Actor

MAX_NAME_CHARS = 128


class BadName(DbError):
    """Raised when a name cannot be a user's."""


def add_user(
    session: Session, name: str, role: Role, *, password: str | None = None, actor: Actor
) -> User:
    """Add a user; without a password they can log in through an identity provider only.

    Raises:
        BadName: if the name is empty, too long, or has signs that cannot be seen.
        Conflict: if the name is taken, by a name in other letter case too.
        WeakPassword: if the password is refused.
        Forbidden: if `actor` is no admin.
    """
    require(session, actor, Role.ADMIN)
    name = check_new_name(session, name)
    password_hash = None if password is None else hash_password(password, name)
    insert = insert_if_absent(session, User).values(
        name=name, role=role.value, password_hash=password_hash
    )
    if session.scalar(insert.returning(User.id)) is None:
        raise _taken(name)
    _tell(session, actor, "added", name, role=role.value)
    return get_user(session, name)


def get_user(session: Session, name: str) -> User:
    """The user of that name; raises NotFound."""
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound(f"there is no user {name!r}: add it, or correct the name")
    return user


def find_user(session: Session, name: str) -> User | None:
    """The user of that name, in any letter case, as keyboards and identity providers give it."""
    name = name.strip()
    exact = session.scalar(select(User).where(User.name == name))
    if exact is not None:
        return exact
    found = session.scalars(select(User).where(func.lower(User.name) == name.lower()).limit(2))
    alike = found.all()
    return alike[0] if len(alike) == 1 else None


def list_users(session: Session) -> list[User]:
    """Every user, by name."""
    return list(session.scalars(select(User).order_by(User.name)))


def somebody_can_log_in(session: Session) -> bool:
    """Whether there is an enabled user with a password."""
    query = select(User.id).where(User.password_hash.is_not(None), User.disabled_at.is_(None))
    return session.scalar(query.limit(1)) is not None


def set_role(session: Session, name: str, role: Role, *, actor: Actor) -> User:
    """Give a user another role.

    Raises:
        Conflict: if they are the last admin.
        Forbidden: if `actor` is no admin.
    """
    user = _for_change(session, name, actor)
    before = user.role
    if before == role:
        return user
    if before == Role.ADMIN:
        _refuse_the_last_admin(session, user)
    user.role = role.value
    _tell(session, actor, "role_changed", user.name, before=before, role=role.value)
    session.flush()
    return user


def set_password(session: Session, name: str, password: str, *, actor: Actor) -> User:
    """Give a user a password, and end what they are logged in with.

    Raises:
        WeakPassword: if the password is refused.
        Forbidden: if `actor` is no admin.
    """
    # Before anything is locked: it takes long on purpose.
    password_hash = hash_password(password, name)
    user = _for_change(session, name, actor)
    user.password_hash = password_hash
    user.failed_logins, user.locked_until = 0, None
    close_sessions_of(session, user.id)
    _tell(session, actor, "password_set", user.name)
    session.flush()
    return user


def disable(session: Session, name: str, *, actor: Actor) -> User:
    """Let a user do and log in to nothing from now on; what they did stays.

    Raises:
        Conflict: if they are the last admin.
        Forbidden: if `actor` is no admin.
    """
    user = _for_change(session, name, actor)
    if user.disabled_at is not None:
        return user
    if user.role == Role.ADMIN:
        _refuse_the_last_admin(session, user)
    user.disabled_at = utc_now()
    close_sessions_of(session, user.id)
    _tell(session, actor, "disabled", user.name)
    session.flush()
    return user


def enable(session: Session, name: str, *, actor: Actor) -> User:
    """Let a user log in again, with the password and role they had, and without a wait.

    Raises:
        Forbidden: if `actor` is no admin.
    """
    user = _for_change(session, name, actor)
    if user.disabled_at is None and user.locked_until is None:
        return user
    user.disabled_at = None
    user.failed_logins, user.locked_until = 0, None
    _tell(session, actor, "enabled", user.name)
    session.flush()
    return user


def _for_change(session: Session, name: str, actor: Actor) -> User:
    """The user of that name as it is now; changes of users take turns.

    Two admins who demote each other at once must not both succeed: the first user's row is the
    lock that both want, taken before anything is read.
    """
    first = select(func.min(User.id)).scalar_subquery()
    turn = update(User).where(User.id == first).values(id=User.id)
    session.execute(turn.execution_options(synchronize_session=False))
    require(session, actor, Role.ADMIN)
    user = get_user(session, name)
    session.refresh(user)
    return user


def _refuse_the_last_admin(session: Session, user: User) -> None:
    others = (
        select(func.count())
        .select_from(User)
        .where(User.role == Role.ADMIN.value, User.disabled_at.is_(None), User.id != user.id)
    )
    if not session.scalar(others):
        raise Conflict(f"{user.name!r} is the last admin: make somebody else an admin first")


def check_new_name(session: Session, name: str) -> str:
    """The name as it is kept, if a new user can have it; raises as `add_user` does."""
    name = name.strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise BadName(
            f"a user's name has 1 to {MAX_NAME_CHARS} visible characters, got {name!r}: "
            "take the name or the e-mail address people know"
        )
    if find_user(session, name) is not None:
        raise _taken(name)
    return name


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a user {name!r} already: choose another name")


def _tell(session: Session, actor: Actor, verb: str, name: str, **details: object) -> None:
    audit.append(session, actor=actor, action=f"user.{verb}", subject=f"user:{name}", **details)
