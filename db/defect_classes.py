"""The kinds of defects that a line knows: its own list, kept by engineers.

A class is never deleted, since reviews name it: it is retired, and may come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from db import audit
from db.access import require
from db.errors import Conflict, NotFound
from db.locking import lock
from db.tables import DefectClass, Line, Role, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from db.access import Actor

#: So many have a number key on the Review page.
WITH_KEYS = 9
MAX_NAME_CHARS = 64


def list_classes(
    session: Session, line_id: int, *, with_retired: bool = False
) -> list[DefectClass]:
    """A line's classes in their order; the first nine have number keys."""
    query = select(DefectClass).where(DefectClass.line_id == line_id)
    if not with_retired:
        query = query.where(DefectClass.retired_at.is_(None))
    return list(session.scalars(query.order_by(DefectClass.position, DefectClass.id)))


def require_class(session: Session, line_id: int, name: str) -> None:
    """Make sure that a line offers a class; raises Conflict, naming those it has."""
    classes = list_classes(session, line_id)
    if any(known.name == name for known in classes):
        return
    offered = ", ".join(known.name for known in classes) or "none"
    raise Conflict(
        f"the line has no defect class {name!r}, or not any more: choose another one ({offered}), "
        "or ask an engineer to add it"
    )


def add_class(session: Session, line: Line, name: str, *, actor: Actor) -> DefectClass:
    """Add a class at the end of a line's list; a retired one of that name comes back.

    Raises:
        Forbidden: if `actor` is no engineer.
        Conflict: if the line has it already.
        ValueError: if the name is empty or too long.
    """
    require(session, actor, Role.ENGINEER)
    name = _clean(name)
    lock(session, Line, line.id)
    added = _find(session, line.id, name)
    if added is not None and added.retired_at is None:
        raise Conflict(f"{line.name!r} has a defect class {name!r} already: choose another name")
    position = 1 + (
        session.scalar(select(func.max(DefectClass.position)).where(DefectClass.line_id == line.id))
        or 0
    )
    if added is None:
        added = DefectClass(line_id=line.id, name=name, position=position)
        session.add(added)
    else:
        added.retired_at, added.position = None, position
    session.flush()
    _tell(session, actor, "added", line, defect_class=name)
    return added


def retire_class(session: Session, line: Line, name: str, *, actor: Actor) -> None:
    """Offer a class no more; reviews that name it keep it.

    Raises:
        Forbidden: if `actor` is no engineer.
        NotFound: if the line does not offer it.
    """
    require(session, actor, Role.ENGINEER)
    lock(session, Line, line.id)
    _get(session, line, name).retired_at = utc_now()
    session.flush()
    _tell(session, actor, "retired", line, defect_class=name)


def reorder(session: Session, line: Line, names: Sequence[str], *, actor: Actor) -> None:
    """Put a line's classes into the order of `names`, which holds each of them once.

    Raises:
        Forbidden: if `actor` is no engineer.
        Conflict: if `names` are not the line's classes, as when one was added meanwhile.
    """
    require(session, actor, Role.ENGINEER)
    lock(session, Line, line.id)
    classes = {known.name: known for known in list_classes(session, line.id)}
    if sorted(names) != sorted(classes):
        raise Conflict(
            f"the order names {', '.join(names) or 'nothing'}, and {line.name!r} has "
            f"{', '.join(classes) or 'no classes'}: load the list again"
        )
    for position, name in enumerate(names, start=1):
        classes[name].position = position
    session.flush()
    _tell(session, actor, "reordered", line, order=list(names))


def set_classes(session: Session, line: Line, names: Sequence[str], *, actor: Actor) -> bool:
    """Make a line offer exactly `names`, in this order: add, retire and reorder what differs.

    Returns:
        Whether anything was changed.

    Raises:
        Forbidden: if `actor` is no engineer.
        Conflict: if a name stands there twice.
        ValueError: if a name is empty or too long.
    """
    require(session, actor, Role.ENGINEER)
    wanted = [_clean(name) for name in names]
    twice = next((name for name in wanted if wanted.count(name) > 1), None)
    if twice is not None:
        raise Conflict(f"{twice!r} stands there twice: a defect class is named once")
    lock(session, Line, line.id)
    before = [known.name for known in list_classes(session, line.id)]
    for name in before:
        if name not in wanted:
            retire_class(session, line, name, actor=actor)
    for name in wanted:
        if name not in before:
            add_class(session, line, name, actor=actor)
    now = [known.name for known in list_classes(session, line.id)]
    if now != wanted:
        reorder(session, line, wanted, actor=actor)
    return wanted != before


def _clean(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 0 < len(cleaned) <= MAX_NAME_CHARS:
        raise ValueError(
            f"a defect class has a name of 1 to {MAX_NAME_CHARS} characters, "
            f"this one has {len(cleaned)}"
        )
    return cleaned


def _find(session: Session, line_id: int, name: str) -> DefectClass | None:
    return session.scalar(
        select(DefectClass).where(DefectClass.line_id == line_id, DefectClass.name == name)
    )


def _get(session: Session, line: Line, name: str) -> DefectClass:
    found = _find(session, line.id, name)
    if found is None or found.retired_at is not None:
        offered = ", ".join(known.name for known in list_classes(session, line.id)) or "none"
        raise NotFound(f"{line.name!r} has no defect class {name!r}; it has: {offered}")
    return found


def _tell(session: Session, actor: Actor, done: str, line: Line, **details: object) -> None:
    audit.append(
        session,
        actor=actor,
        action=f"defect_class.{done}",
        subject=f"line:{line.name}",
        **details,
    )
