"""A candidate in the shadow: it scores live frames beside the active version, without consequences.

After enough frames it is summed up, once, and then promoted by a person or by the line's policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db import audit
from db.access import trusted
from db.errors import NotFound
from db.inserting import insert_if_absent
from db.inspections import FLAGGED
from db.locking import lock
from db.model_versions import promote, why_not_promotable
from db.tables import Inspection, Line, ModelVersion, Promotion, ShadowVerdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

#: Who promotes where the line's policy does.
POLICY = trusted("promotion policy")
#: The policy promotes a candidate only if it flags at most MAX_FLAG_RATIO times the share of live
#: frames that the champion flags, plus MAX_FLAG_EXTRA: beyond, it disagrees with what was accepted
#: on this line, and a person shall see why.
MAX_FLAG_RATIO = 2.0
MAX_FLAG_EXTRA = 0.02


def start(session: Session, line: Line, version: ModelVersion) -> None:
    """Put a candidate into the line's shadow; one that is there leaves it without a result."""
    line = lock(session, Line, line.id)
    if line.shadow_model_version_id not in (None, version.id):
        before = session.get_one(ModelVersion, line.shadow_model_version_id)
        before.shadow = {"ended": f"version {version.number} took its place"}
    line.shadow_model_version_id = version.id
    _tell(session, "shadow.started", line, number=version.number, frames=line.shadow_frames)
    session.flush()


def record(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add what the candidate said about frames; rows that are there already stay as they are.

    Args:
        rows: one mapping per frame, with every column of ShadowVerdict but `id`.
    """
    if not rows:
        return
    # In one order everywhere: two workers with the same frames then never wait in a ring.
    ordered = [dict(row) for row in sorted(rows, key=lambda row: row["frame_id"])]
    session.connection().execute(insert_if_absent(session, ShadowVerdict), ordered)


def count_frames(session: Session, version_id: int) -> int:
    """How many live frames the candidate has seen."""
    query = select(func.count()).where(ShadowVerdict.model_version_id == version_id)
    return session.scalar(query) or 0


def finish_if_due(session: Session, line_id: int, version_id: int) -> dict[str, Any] | None:
    """Sum up a candidate that has seen enough frames, and promote it if the line's policy does.

    Returns:
        The result; None if it is not due, or another worker was faster.
    """
    line = session.get_one(Line, line_id)
    if count_frames(session, version_id) < line.shadow_frames:
        return None
    line = lock(session, Line, line_id)
    if line.shadow_model_version_id != version_id:
        return None
    version = session.get_one(ModelVersion, version_id, populate_existing=True)
    version.shadow = result = summarize(session, version_id)
    line.shadow_model_version_id = None
    agreement = result["agreement"]
    _tell(session, "shadow.done", line, number=version.number, agreement=agreement)
    session.flush()
    if line.promotion == Promotion.AUTOMATIC:
        _promote_by_policy(session, line, version, result)
    return result


def end(session: Session, line_id: int, version_id: int, reason: str) -> bool:
    """Take a candidate out of the shadow that failed there; False if it is there no more."""
    line = lock(session, Line, line_id)
    if line.shadow_model_version_id != version_id:
        return False
    version = session.get_one(ModelVersion, version_id, populate_existing=True)
    version.shadow = {"ended": reason, "frames": count_frames(session, version_id)}
    line.shadow_model_version_id = None
    _tell(session, "shadow.failed", line, number=version.number, reason=reason)
    session.flush()
    return True


def summarize(session: Session, version_id: int) -> dict[str, Any]:
    """How candidate and champion did on the same live frames.

    Keys: `frames`; `agreement`, the share of them that both flagged or both passed;
    `candidate_only` and `champion_only`, how many one alone flagged; of `candidate` and of
    `champion` each `flag_rate`, and `score_ms`, the mean time for a frame; `ended`, None.

    Raises:
        NotFound: if it has seen no frame.
    """
    row = ShadowVerdict
    candidate, champion = row.verdict.in_(FLAGGED), row.champion_verdict.in_(FLAGGED)
    counts = select(
        func.count(),
        func.count().filter(candidate),
        func.count().filter(champion),
        func.count().filter(candidate & champion),
        func.avg(row.score_ms),
    ).where(row.model_version_id == version_id)
    frames, ours, theirs, both, our_ms = session.execute(counts).one()
    seen = select(row.frame_id).where(row.model_version_id == version_id)
    their_ms = session.scalar(
        select(func.avg(Inspection.score_ms)).where(
            Inspection.frame_id.in_(seen), Inspection.model_version_id != version_id
        )
    )
    if not frames:
        raise NotFound(f"the candidate with id {version_id} has seen no frame in the shadow")
    return {
        "frames": frames,
        "agreement": (frames - ours - theirs + 2 * both) / frames,
        "candidate_only": ours - both,
        "champion_only": theirs - both,
        "candidate": {"flag_rate": ours / frames, "score_ms": our_ms},
        "champion": {"flag_rate": theirs / frames, "score_ms": their_ms},
        "ended": None,
    }


def why_implausible(result: Mapping[str, Any]) -> str | None:
    """What keeps the policy from promoting a candidate, for people; None if nothing does."""
    candidate = result["candidate"]["flag_rate"]
    champion = result["champion"]["flag_rate"]
    most = MAX_FLAG_RATIO * champion + MAX_FLAG_EXTRA
    if candidate <= most:
        return None
    return (
        f"it flagged {candidate:.1%} of {result['frames']} live frames, more than "
        f"{MAX_FLAG_RATIO:g} times the {champion:.1%} of the champion and "
        f"{MAX_FLAG_EXTRA:.0%}: a person decides"
    )


def _promote_by_policy(
    session: Session, line: Line, version: ModelVersion, result: dict[str, Any]
) -> None:
    reason = why_implausible(result) or why_not_promotable(session, line, version)
    if reason is None:
        promote(session, line, version.number, actor=POLICY)
        return
    version.shadow = result | {"not_promoted": reason}
    _tell(session, "shadow.not_promoted", line, number=version.number, reason=reason)
    session.flush()


def _tell(session: Session, action: str, line: Line, **details: Any) -> None:
    subject = f"line:{line.name}"
    audit.append(session, actor=trusted("shadow"), action=action, subject=subject, **details)
