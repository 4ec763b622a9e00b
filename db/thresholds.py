"""A model version's thresholds: setting them, who set them when, and the scores to choose them by.

What a threshold does is estimated from parts that a person has judged. Of the flagged parts nearly
all are, of those passed only the audit sample: each judged part therefore stands for as many as it
was drawn from, `JudgedPart.weight`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select, text

from db import audit
from db.access import require
from db.errors import Conflict
from db.locking import lock
from db.tables import (
    ASKED,
    Camera,
    Inspection,
    Line,
    ModelVersion,
    Role,
    SampleLabel,
    ShadowVerdict,
    ThresholdChange,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from db.access import Actor

#: Newest parts of a version that people were asked about.
MAX_JUDGED = 10_000
#: Newest scores, judged or not.
MAX_RECENT = 2000
MAX_REASON_CHARS = 500


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """A part that a person found good or defective."""

    #: Raw image score under the version.
    score: float
    is_defective: bool
    #: How many parts it stands for.
    weight: float
    #: Whether it was drawn from those that passed.
    is_audited: bool


@dataclass(frozen=True, slots=True)
class ScoreSample:
    """What is known of a version's scores."""

    judged: tuple[JudgedPart, ...] = ()
    #: The newest scores of all parts, newest first.
    recent: tuple[float, ...] = ()


class _Drawn(NamedTuple):
    """An inspection that a person was asked about, and what they said."""

    score: float
    verdict: str
    audit_probability: float | None
    #: The word that counts; None: there is none.
    label: str | None
    #: Whether the score is from the shadow, and the verdict another version's.
    is_shadow: bool = False


def set_thresholds(
    session: Session,
    version: ModelVersion,
    review: float,
    reject: float,
    *,
    actor: Actor,
    reason: str = "",
) -> ModelVersion:
    """Change what a version's scores mean from the next batch on; verdicts given stay.

    Args:
        review: raw image score from which a person looks.
        reject: that from which a part is rejected; at least `review`.

    Raises:
        Forbidden: if `actor` is no engineer.
        ValueError: if the thresholds are not finite or not in order, or the reason is too long.
        Conflict: if the version is retired.
    """
    require(session, actor, Role.ENGINEER)
    _check(review, reject, reason)
    version = lock(session, ModelVersion, version.id)
    if version.retired_at is not None:
        raise Conflict(
            f"model version {version.number} is retired since "
            f"{version.retired_at:%Y-%m-%d %H:%M} UTC: it scores no more"
        )
    former = (version.review_threshold, version.reject_threshold)
    if former == (review, reject):
        return version
    session.add(
        ThresholdChange(
            model_version_id=version.id,
            review_threshold=review,
            reject_threshold=reject,
            former_review_threshold=former[0],
            former_reject_threshold=former[1],
            changed_by=actor.name,
            reason=reason.strip(),
        )
    )
    version.review_threshold, version.reject_threshold = review, reject
    audit.append(
        session,
        actor=actor,
        action="thresholds.changed",
        subject=f"line:{session.get_one(Line, version.line_id).name}",
        number=version.number,
        former={"review": former[0], "reject": former[1]},
        now={"review": float(review), "reject": float(reject)},
        reason=reason.strip(),
    )
    session.flush()
    return version


def threshold_history(
    session: Session, version: ModelVersion, *, limit: int = 20
) -> list[ThresholdChange]:
    """The changes of a version's thresholds, newest first."""
    query = select(ThresholdChange).where(ThresholdChange.model_version_id == version.id)
    return list(session.scalars(query.order_by(ThresholdChange.id.desc()).limit(limit)))


def score_sample(session: Session, version: ModelVersion) -> ScoreSample:
    """The scores by which to choose a version's thresholds.

    Those of the frames it gave the verdict on, and of those it scored in the shadow before, which
    people were asked about because of the champion's verdict.
    """
    drawn = _asked(session, version)
    recent = _recent(session, version)
    shadow_drawn, shadow_recent = _shadowed(session, version)
    return ScoreSample(
        tuple(_judged(drawn + shadow_drawn)), tuple((recent + shadow_recent)[:MAX_RECENT])
    )


def _judged(drawn: Sequence[_Drawn]) -> list[JudgedPart]:
    """Each part with a word that counts, standing for its share of those without one.

    Parts on which no word is there yet, or none that counts, are taken to be like the others with
    their verdict. An audited part stands for one over the probability it was drawn with.
    """
    asked = Counter((one.is_shadow, one.verdict) for one in drawn)
    labelled = [one for one in drawn if one.label is not None]
    answered = Counter((one.is_shadow, one.verdict) for one in labelled)
    parts = []
    for one in labelled:
        is_audited = one.verdict == Verdict.PASS.value
        stratum = (one.is_shadow, one.verdict)
        weight = asked[stratum] / answered[stratum]
        if is_audited:
            weight /= one.audit_probability or 1.0
        parts.append(JudgedPart(one.score, one.label == SampleLabel.DEFECT, weight, is_audited))
    return parts


def _asked(session: Session, version: ModelVersion) -> list[_Drawn]:
    """The version's newest inspections that people were asked about."""
    query = (
        select(Inspection.score, Inspection.verdict, Inspection.audit_probability, Inspection.label)
        .where(Inspection.model_version_id == version.id, text(f"({ASKED})"))
        .order_by(Inspection.id.desc())
        .limit(MAX_JUDGED)
    )
    return _drawn(session, query, is_shadow=False)


def _recent(session: Session, version: ModelVersion) -> list[float]:
    """The newest scores of the line's cameras, as far as they are the version's."""
    cameras = list(session.scalars(select(Camera.id).where(Camera.line_id == version.line_id)))
    found: list[tuple[object, float]] = []
    # A camera at a time: each reads a bounded stretch of the index, however many rows there are.
    for camera_id in cameras:
        newest = (
            select(Inspection.recorded_at, Inspection.score, Inspection.model_version_id)
            .where(Inspection.camera_id == camera_id)
            .order_by(Inspection.recorded_at.desc())
            .limit(max(1, MAX_RECENT // len(cameras)))
        )
        for recorded_at, score, version_id in session.execute(newest):
            if version_id == version.id and score is not None:
                found.append((recorded_at, score))
    return [score for _, score in sorted(found, reverse=True)]


def _shadowed(session: Session, version: ModelVersion) -> tuple[list[_Drawn], list[float]]:
    """What a candidate said in the shadow, newest first, and what people said of these frames."""
    newest = (
        select(ShadowVerdict.frame_id, ShadowVerdict.score)
        .where(ShadowVerdict.model_version_id == version.id)
        .order_by(ShadowVerdict.id.desc())
        .limit(MAX_JUDGED)
    )
    recent = [score for _, score in session.execute(newest.limit(MAX_RECENT))]
    if not recent:
        return [], []
    shadow = newest.subquery()
    query = (
        select(shadow.c.score, Inspection.verdict, Inspection.audit_probability, Inspection.label)
        .join(Inspection, Inspection.frame_id == shadow.c.frame_id)
        .where(text(f"({ASKED})"))
    )
    return _drawn(session, query, is_shadow=True), recent


def _drawn(session: Session, query: Select[*tuple[Any, ...]], *, is_shadow: bool) -> list[_Drawn]:
    """What a query finds whose rows are a part's score, verdict, probability and label."""
    return [
        _Drawn(score, verdict, probability, label, is_shadow)
        for score, verdict, probability, label in session.execute(query)
    ]


def _check(review: float, reject: float, reason: str) -> None:
    if not (math.isfinite(review) and math.isfinite(reject) and review <= reject):
        raise ValueError(
            f"the thresholds review {review} and reject {reject} must be finite, "
            "the first at most the second"
        )
    if len(reason) > MAX_REASON_CHARS:
        raise ValueError(
            f"the reason has {len(reason)} characters: say it in at most {MAX_REASON_CHARS}"
        )
