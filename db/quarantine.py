"""Frames that could not be judged, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from db.inserting import insert_if_absent
from db.tables import QuarantinedFrame

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

MAX_DETAIL_CHARS = 4_000


def record(
    session: Session,
    *,
    frame_key: str,
    line_id: int,
    camera: str | None,
    reason: str,
    detail: str,
    deliveries: int,
    image_key: str | None,
    captured_at: datetime | None,
) -> bool:
    """Keep a frame out of the way; False if it is there already.

    Texts come from damaged frames, so they are made storable rather than refused.
    """
    insert = insert_if_absent(session, QuarantinedFrame).values(
        frame_key=frame_key,
        line_id=line_id,
        camera=None if camera is None else _storable(camera, 64),
        reason=_storable(reason, 64),
        detail=_storable(detail, MAX_DETAIL_CHARS),
        deliveries=deliveries,
        image_key=image_key,
        captured_at=captured_at,
    )
    return session.scalar(insert.returning(QuarantinedFrame.id)) is not None


def list_frames(
    session: Session, line_id: int, *, limit: int = 100, before_id: int | None = None
) -> list[QuarantinedFrame]:
    """A line's frames in quarantine, newest first; `before_id` continues after a page's last."""
    query = select(QuarantinedFrame).where(QuarantinedFrame.line_id == line_id)
    if before_id is not None:
        query = query.where(QuarantinedFrame.id < before_id)
    return list(session.scalars(query.order_by(QuarantinedFrame.id.desc()).limit(limit)))


def count_by_reason(session: Session, line_id: int) -> dict[str, int]:
    """How many frames of a line are in quarantine, by reason."""
    query = (
        select(QuarantinedFrame.reason, func.count())
        .where(QuarantinedFrame.line_id == line_id)
        .group_by(QuarantinedFrame.reason)
        .order_by(QuarantinedFrame.reason)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _storable(text: str, max_chars: int) -> str:
    # PostgreSQL takes no NUL and neither database a lone surrogate.
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:max_chars]
