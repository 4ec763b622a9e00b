"""Scores of the PASS frames of a line's active version: those it began with, and the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from db.tables import AuditEvent, Camera, Inspection, Line, ThresholdChange, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

#: What lets a version score.
ACTIVATIONS = ("model.activated", "model.promoted")
#: Rows looked through for one score: frames that another version scored meanwhile lie between.
LOOK_THROUGH = 4


def active_since(session: Session, line: Line) -> datetime | None:
    """When the line's active version was made so; None if it has none, or nobody wrote it down."""
    query = (
        select(AuditEvent.at)
        .where(AuditEvent.subject == f"line:{line.name}", AuditEvent.action.in_(ACTIVATIONS))
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    return session.scalar(query) if line.active_model_version_id is not None else None


def pass_scores(session: Session, line: Line, *, window: int) -> tuple[list[float], list[float]]:
    """The first and the latest `window` scores of each camera, put together.

    They begin with the activation, or with the last change of its thresholds: another review
    threshold lets other scores pass, which is no drift. A camera that has not passed twice as many
    frames yet is left out: the two windows would overlap. Reads a bounded stretch of each camera's
    index.
    """
    since, version_id = active_since(session, line), line.active_model_version_id
    if since is None:
        return [], []
    changed_at = session.scalar(
        select(ThresholdChange.changed_at)
        .where(ThresholdChange.model_version_id == version_id)
        .order_by(ThresholdChange.id.desc())
        .limit(1)
    )
    since = max(since, changed_at or since)
    reference: list[float] = []
    present: list[float] = []
    for camera_id in session.scalars(select(Camera.id).where(Camera.line_id == line.id)):
        stretch = select(
            Inspection.id, Inspection.score, Inspection.recorded_at, Inspection.model_version_id
        ).where(
            Inspection.camera_id == camera_id,
            Inspection.recorded_at >= since,
            Inspection.verdict == Verdict.PASS.value,
        )
        ends = []
        for order in (Inspection.recorded_at.asc(), Inspection.recorded_at.desc()):
            rows = stretch.order_by(order).limit(LOOK_THROUGH * window).subquery()
            query = select(rows.c.id, rows.c.score).where(rows.c.model_version_id == version_id)
            ends.append({row.id: row.score for row in session.execute(query.limit(window))})
        first, last = ends
        if len(first) == len(last) == window and not first.keys() & last.keys():
            reference += first.values()
            present += last.values()
    return reference, present
