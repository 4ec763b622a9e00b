"""People who may log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from db import audit
from db.access import require
from db.errors import Conflict, NotFound
from db.inserting import insert_if_absent
from db.tables import Role, User

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.access import Actor


def add_user(session: Session, name: str, role: Role, *, actor: Actor) -> User:
    """Add a user without a password.

    Raises:
        Conflict: if the name is taken.
        Forbidden: if `actor` is no admin.
    """
    require(session, actor, Role.ADMIN)
    insert = insert_if_absent(session, User).values(name=name, role=role.value)
    if session.scalar(insert.returning(User.id)) is None:
        raise Conflict(f"there is a user {name!r} already: choose another name")
    audit.append(session, actor=actor, action="user.added", subject=f"user:{name}", role=role.value)
    return get_user(session, name)


def get_user(session: Session, name: str) -> User:
    """The user of that name; raises NotFound."""
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound(f"there is no user {name!r}: add it, or correct the name")
    return user
