"""Lines and their cameras."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from db import audit
from db.access import require
from db.errors import Conflict, NotFound
from db.inserting import insert_if_absent
from db.tables import Camera, Line, Role, utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from db.access import Actor


def add_line(session: Session, name: str, *, description: str = "", actor: Actor) -> Line:
    """Add a line; raises Conflict if its name is taken, Forbidden for operators."""
    require(session, actor, Role.ENGINEER)
    insert = insert_if_absent(session, Line).values(name=name, description=description)
    if session.scalar(insert.returning(Line.id)) is None:
        raise Conflict(f"there is a line {name!r} already: choose another name")
    audit.append(session, actor=actor, action="line.added", subject=f"line:{name}")
    return get_line(session, name)


def list_lines(session: Session) -> list[Line]:
    """Every line, by name."""
    return list(session.scalars(select(Line).order_by(Line.name)))


def get_line(session: Session, name: str) -> Line:
    """The line of that name; raises NotFound."""
    line = session.scalar(select(Line).where(Line.name == name))
    if line is None:
        known = ", ".join(session.scalars(select(Line.name).order_by(Line.name).limit(20)))
        raise NotFound(
            f"there is no line {name!r}; known: {known or 'none'}: "
            "add it with `linewatch line add`, or correct the name"
        )
    return line


def list_cameras(session: Session, line_id: int) -> list[Camera]:
    """A line's cameras, by name."""
    return list(
        session.scalars(select(Camera).where(Camera.line_id == line_id).order_by(Camera.name))
    )


def get_or_add_camera(session: Session, line_id: int, name: str) -> Camera:
    """A line's camera, added with its first frame; two workers that add it at once get the same."""
    query = select(Camera).where(Camera.line_id == line_id, Camera.name == name)
    camera = session.scalar(query)
    if camera is None:
        session.execute(insert_if_absent(session, Camera).values(line_id=line_id, name=name))
        camera = session.scalars(query).one()
    return camera


def record_stream_status(
    session: Session,
    line_id: int,
    *,
    waiting: int,
    pending: int,
    cameras: Mapping[str, tuple[int, int, int]],
) -> None:
    """Keep how the line's stream stands, for the pages.

    Args:
        waiting: frames no worker has taken.
        pending: frames in work.
        cameras: by name: frames pushed, dropped, and reported as uninspected.
    """
    session.execute(
        update(Line)
        .where(Line.id == line_id)
        .values(frames_waiting=waiting, frames_pending=pending, status_at=utc_now())
    )
    # By name, so that two workers lock the rows in the same order.
    for name, (pushed, dropped, uninspected) in sorted(cameras.items()):
        camera = get_or_add_camera(session, line_id, name)
        camera.frames_pushed = pushed
        camera.frames_dropped = dropped
        camera.frames_uninspected = uninspected
    session.flush()
