"""Model versions of a line, and which one scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db import audit
from db.access import require
from db.errors import Conflict, NotFound
from db.locking import lock
from db.tables import Line, ModelVersion, Role, utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from db.access import Actor


def add_model_version(
    session: Session,
    line: Line,
    *,
    artifact_path: str,
    manifest: Mapping[str, Any],
    manifest_sha256: str,
    actor: Actor,
) -> ModelVersion:
    """Register a trained model under the line's next number; it does not score yet.

    Args:
        artifact_path: the artifact's folder, absolute.
        manifest: the artifact's manifest; detector, backbone and thresholds are taken from it.

    Raises:
        Forbidden: if `actor` is no engineer.
        ValueError: if the manifest lacks one of those, or its thresholds are not in order.
    """
    require(session, actor, Role.ENGINEER)
    review, reject = _thresholds(manifest)
    lock(session, Line, line.id)  # numbers are given one at a time
    last = session.scalar(
        select(func.max(ModelVersion.number)).where(ModelVersion.line_id == line.id)
    )
    version = ModelVersion(
        line_id=line.id,
        number=(last or 0) + 1,
        detector=_text(manifest, "detector"),
        backbone=_text(manifest, "backbone"),
        artifact_path=artifact_path,
        manifest_sha256=manifest_sha256,
        manifest=dict(manifest),
        review_threshold=review,
        reject_threshold=reject,
        created_by=actor.name,
    )
    session.add(version)
    _tell(session, "model.added", line, actor, number=version.number, manifest=manifest_sha256)
    session.flush()
    return version


def list_model_versions(session: Session, line: Line) -> list[ModelVersion]:
    """A line's versions, newest first."""
    query = select(ModelVersion).where(ModelVersion.line_id == line.id)
    return list(session.scalars(query.order_by(ModelVersion.number.desc())))


def get_model_version(session: Session, line: Line, number: int) -> ModelVersion:
    """A line's version by its number; raises NotFound."""
    query = select(ModelVersion).where(
        ModelVersion.line_id == line.id, ModelVersion.number == number
    )
    version = session.scalar(query.execution_options(populate_existing=True))
    if version is None:
        raise NotFound(
            f"line {line.name!r} has no model version {number}: "
            f"`linewatch model list {line.name}` shows those it has"
        )
    return version


def active_version(session: Session, line_name: str) -> ModelVersion | None:
    """The version that scores on a line; None if no version is active, or there is no such line."""
    query = select(ModelVersion).join(Line, Line.active_model_version_id == ModelVersion.id)
    return session.scalar(query.where(Line.name == line_name))


def activate(session: Session, line: Line, number: int, *, actor: Actor) -> ModelVersion:
    """Let version `number` score on the line; to roll back, activate an older number.

    Raises:
        NotFound: if the line has no such version.
        Forbidden: if `actor` is no engineer.
        Conflict: if the version is retired.
    """
    require(session, actor, Role.ENGINEER)
    line = lock(session, Line, line.id)
    version = get_model_version(session, line, number)
    if version.retired_at is not None:
        raise Conflict(
            f"model version {number} of line {line.name!r} is retired since "
            f"{version.retired_at:%Y-%m-%d %H:%M} UTC: activate another one"
        )
    before = line.active_model_version_id
    if before == version.id:
        return version
    former = session.get(ModelVersion, before) if before is not None else None
    line.active_model_version_id = version.id
    _tell(session, "model.activated", line, actor, number=number, former=former and former.number)
    session.flush()
    return version


def retire(session: Session, line: Line, number: int, *, actor: Actor) -> ModelVersion:
    """Keep version `number` from ever scoring again; its inspections stay.

    Raises:
        NotFound: if the line has no such version.
        Forbidden: if `actor` is no engineer.
        Conflict: if it is the active one.
    """
    require(session, actor, Role.ENGINEER)
    line = lock(session, Line, line.id)
    version = get_model_version(session, line, number)
    if line.active_model_version_id == version.id:
        raise Conflict(
            f"model version {number} of line {line.name!r} is active: activate another one first"
        )
    if version.retired_at is None:
        version.retired_at = utc_now()
        _tell(session, "model.retired", line, actor, number=number)
        session.flush()
    return version


def _tell(session: Session, action: str, line: Line, actor: Actor, **details: Any) -> None:
    audit.append(session, actor=actor, action=action, subject=f"line:{line.name}", **details)


def _thresholds(manifest: Mapping[str, Any]) -> tuple[float, float]:
    try:
        review = float(manifest["thresholds"]["review"])
        reject = float(manifest["thresholds"]["reject"])
    except (KeyError, TypeError, ValueError) as exc:
        raise ValueError(
            "the manifest lacks the numbers thresholds.review and thresholds.reject: train again"
        ) from exc
    if not (math.isfinite(review) and math.isfinite(reject) and review <= reject):
        raise ValueError(
            f"the thresholds review {review} and reject {reject} must be finite, "
            "the first at most the second: train again"
        )
    return review, reject


def _text(manifest: Mapping[str, Any], key: str) -> str:
    value = manifest.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"the manifest lacks the text {key!r}: train again")
    return value
