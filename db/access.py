"""Who changes something, and whether they may.

Every function of `db` that changes what people decide takes an Actor and calls `require` in the
same transaction. A person's role is read from the database then, not from the page they opened in
the morning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from db.errors import Forbidden
from db.tables import Role, User

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_ORDER = list(Role)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change."""

    #: A user's name, or what a program calls itself.
    name: str
    #: True for our own programs and the command line: whoever runs those has the database's
    #: password anyway.
    is_trusted: bool = False

    def __post_init__(self) -> None:
        """Refuse a change by nobody."""
        if not self.name.strip():
            raise ValueError("a change needs an actor: say who made it")


def trusted(name: str) -> Actor:
    """A program of ours, or a person at the command line."""
    return Actor(name, is_trusted=True)


def includes(role: str, wanted: Role) -> bool:
    """Whether `role` may do what `wanted` may."""
    return _ORDER.index(Role(role)) >= _ORDER.index(wanted)


def require(session: Session, actor: Actor, role: Role) -> None:
    """Make sure that `actor` may do what `role` may.

    Raises:
        Forbidden: if not: an unknown or disabled user, or one with a lesser role.
    """
    if actor.is_trusted:
        return
    found = session.execute(
        select(User.role, User.disabled_at).where(User.name == actor.name)
    ).one_or_none()
    if found is None:
        raise Forbidden(f"there is no user {actor.name!r}: log in again, or ask an admin")
    if found.disabled_at is not None:
        raise Forbidden(f"the user {actor.name!r} is disabled: ask an admin")
    if not includes(found.role, role):
        raise Forbidden(
            f"{actor.name!r} is an {found.role}, and this needs an {role.value}: "
            f"ask an {role.value} to do it"
        )
