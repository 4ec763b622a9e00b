"""A line's recent scores, to show what is usual: a bounded read, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from db.tables import Camera, Inspection, ModelVersion

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def recent_scores(
    session: Session, line_id: int, model_number: int, *, limit: int = 500
) -> list[float]:
    """Raw image scores of a line's last frames under one model version, in no order.

    Other versions score on other scales. The last `limit` frames are looked through, shared evenly
    by the cameras; each camera's are read from its index.
    """
    version = select(ModelVersion.id).where(
        ModelVersion.line_id == line_id, ModelVersion.number == model_number
    )
    version_id = session.scalar(version)
    cameras = list(session.scalars(select(Camera.id).where(Camera.line_id == line_id)))
    scores: list[float] = []
    for camera_id in cameras:
        last = (
            select(Inspection.score, Inspection.model_version_id)
            .where(Inspection.camera_id == camera_id)
            .order_by(Inspection.recorded_at.desc())
            .limit(max(1, limit // len(cameras)))
        )
        rows = session.execute(last)
        scores += [score for score, of in rows if of == version_id and score is not None]
    return scores
