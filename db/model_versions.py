"""Model versions of a line, and which one scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from db import audit
from db.access import require
from db.errors import Conflict, NotFound
from db.locking import lock
from db.tables import Line, ModelVersion, Role, Teaching, TeachingState, utc_now

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
    snapshot_id: int | None = None,
    gate: Mapping[str, Any] | None = None,
    has_passed_gate: bool | None = None,
) -> ModelVersion:
    """Register a trained model under the line's next number; it does not score yet.

    Args:
        artifact_path: the artifact's folder, absolute.
        manifest: the artifact's manifest; detector, backbone and thresholds are taken from it.
        snapshot_id: what it was trained on, where that is a snapshot.
        gate: how it did on the golden set; None: never compared.
        has_passed_gate: whether that lets it be promoted.

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
        snapshot_id=snapshot_id,
        gate=dict(gate) if gate is not None else None,
        has_passed_gate=has_passed_gate,
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


@dataclass(frozen=True, slots=True)
class Scoring:
    """What scores on a line, as its workers need to know it."""

    line_id: int
    audit_rate: float
    active: ModelVersion
    #: The candidate in the shadow; None: there is none.
    shadow: ModelVersion | None
    #: The teaching that collects the line's frames; None: none does.
    teaching_id: int | None


def scoring(session: Session, line_name: str) -> Scoring | None:
    """What scores on a line; None if no version is active, or there is no such line."""
    candidate = aliased(ModelVersion)
    collecting = Teaching.state == TeachingState.COLLECTING.value
    row = session.execute(
        select(Line, ModelVersion, candidate, Teaching.id)
        .join(ModelVersion, Line.active_model_version_id == ModelVersion.id)
        .outerjoin(candidate, Line.shadow_model_version_id == candidate.id)
        .outerjoin(Teaching, (Teaching.line_id == Line.id) & collecting)
        .where(Line.name == line_name)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        return None
    line, active, shadow, teaching_id = row
    return Scoring(line.id, line.audit_rate, active, shadow, teaching_id)


def activate(session: Session, line: Line, number: int, *, actor: Actor) -> ModelVersion:
    """Let version `number` score on the line; to roll back, activate an older number.

    A candidate in the shadow leaves it: it was compared with the version before.

    Raises:
        NotFound: if the line has no such version.
        Forbidden: if `actor` is no engineer.
        Conflict: if the version is retired, did not pass its gate, or its files are gone.
    """
    require(session, actor, Role.ENGINEER)
    line = lock(session, Line, line.id)
    version = get_model_version(session, line, number)
    _check_may_score(line, version)
    return _let_score(session, line, version, "model.activated", actor)


def promote(session: Session, line: Line, number: int, *, actor: Actor) -> ModelVersion:
    """Let a candidate score that passed its gate and its time in the shadow.

    Raises:
        NotFound: if the line has no such version.
        Forbidden: if `actor` is no engineer.
        Conflict: saying why, unless it passed its gate against the version that scores now, and
            its shadow is done. A line without a model asks for the gate only.
    """
    require(session, actor, Role.ENGINEER)
    line = lock(session, Line, line.id)
    version = get_model_version(session, line, number)
    reason = why_not_promotable(session, line, version)
    if reason is not None:
        raise Conflict(reason)
    return _let_score(session, line, version, "model.promoted", actor)


def why_not_promotable(session: Session, line: Line, version: ModelVersion) -> str | None:
    """What keeps a version from being promoted, for people; None if nothing does."""
    if version.id == line.active_model_version_id:
        return f"model version {version.number} of line {line.name!r} scores already"
    reason = why_not_activatable(line, version)
    if reason is not None:
        return reason
    name = f"model version {version.number} of line {line.name!r}"
    if version.has_passed_gate is None:
        return (
            f"{name} was never compared with another on the golden set: "
            "activate it instead, if you know it to be good"
        )
    if line.active_model_version_id is None:
        return None
    active = session.get_one(ModelVersion, line.active_model_version_id)
    champion = ((version.gate or {}).get("champion") or {}).get("number")
    if champion != active.number:
        compared = "no version" if champion is None else f"version {champion}"
        return (
            f"{name} was compared with {compared}, and version {active.number} scores now: "
            "train again, or activate it if you know it to be better"
        )
    return _why_shadow_is_not_done(line, version)


def why_not_activatable(line: Line, version: ModelVersion) -> str | None:
    """What keeps a version from ever scoring, for people; None if nothing does."""
    try:
        _check_may_score(line, version)
    except Conflict as exc:
        return str(exc)
    return None


def _why_shadow_is_not_done(line: Line, version: ModelVersion) -> str | None:
    name = f"model version {version.number} of line {line.name!r}"
    if version.shadow is not None and version.shadow.get("ended") is None:
        return None
    if version.shadow is not None:
        return f"{name} did not get through its shadow: {version.shadow['ended']}"
    if line.shadow_model_version_id == version.id:
        return f"{name} is still in the shadow: wait until it has seen {line.shadow_frames} frames"
    return f"{name} was never in the shadow: train again, or activate it if you know it to be good"


def _check_may_score(line: Line, version: ModelVersion) -> None:
    """Raise Conflict if nobody may let it score."""
    if version.retired_at is not None:
        raise Conflict(
            f"model version {version.number} of line {line.name!r} is retired since "
            f"{version.retired_at:%Y-%m-%d %H:%M} UTC: activate another one"
        )
    if version.has_passed_gate is False:
        reasons = "; ".join((version.gate or {}).get("reasons", []))
        raise Conflict(
            f"model version {version.number} of line {line.name!r} did not pass its gate"
            f"{f' ({reasons})' if reasons else ''}: activate another one, or train again"
        )
    if _is_gone(Path(version.artifact_path)):
        raise Conflict(
            f"the files of model version {version.number} of line {line.name!r} are gone from "
            f"{version.artifact_path}: restore them from a backup, or activate another version"
        )


def _is_gone(artifact: Path) -> bool:
    """Whether an artifact is missing for certain.

    The scoring hosts load it, and this one need not see the folder that holds the models: then
    nothing is known, as nothing is of a folder right under the root.
    """
    models = artifact.parent
    return models != models.parent and models.is_dir() and not artifact.is_dir()


def _let_score(
    session: Session, line: Line, version: ModelVersion, action: str, actor: Actor
) -> ModelVersion:
    before = line.active_model_version_id
    if before == version.id:
        return version
    former = session.get(ModelVersion, before) if before is not None else None
    line.active_model_version_id = version.id
    _leave_shadow(session, line, version)
    details = {"number": version.number, "former": former and former.number}
    _tell(session, action, line, actor, **details)
    session.flush()
    return version


def _leave_shadow(session: Session, line: Line, active: ModelVersion) -> None:
    """Whoever was in the shadow was there beside another version."""
    if line.shadow_model_version_id is None:
        return
    shadow = session.get_one(ModelVersion, line.shadow_model_version_id)
    line.shadow_model_version_id = None
    if shadow.id != active.id and shadow.shadow is None:
        shadow.shadow = {"ended": f"version {active.number} was made the line's model meanwhile"}


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
        if line.shadow_model_version_id == version.id:
            line.shadow_model_version_id = None
            version.shadow = {"ended": f"it was retired by {actor.name}"}
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
