"""Inspections: written in batches by the workers, read by the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db.errors import NotFound
from db.inserting import insert_if_absent
from db.tables import Camera, Inspection, ModelVersion, ReviewQueue, Verdict, utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

#: A person looks at these.
FLAGGED = (Verdict.REVIEW, Verdict.REJECT)
#: How many frames are looked through for one whose picture was kept: fast cameras keep few.
LOOK_BACK = 50


@dataclass(frozen=True, slots=True)
class InspectionView:
    """An inspection as the pages show it."""

    id: int
    frame_id: UUID
    line_id: int
    camera: str
    #: None: UNINSPECTED, as are the thresholds.
    model_number: int | None
    review_threshold: float | None
    reject_threshold: float | None
    #: The thresholds' counterparts for the peak of the anomaly map.
    map_review: float | None
    map_reject: float | None
    sequence: int
    part_id: str | None
    captured_at: datetime
    recorded_at: datetime
    score: float | None
    verdict: Verdict
    reason: str | None
    #: The queue it waits in for a person; None: in none.
    queue: str | None
    image_key: str | None
    map_key: str | None
    #: The map's scale: score = low + value / 255 * (high - low).
    map_low: float | None
    map_high: float | None
    width_px: int | None
    height_px: int | None


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """How many frames got which verdict."""

    passed: int = 0
    review: int = 0
    rejected: int = 0
    uninspected: int = 0

    @property
    def inspected(self) -> int:
        """Frames the machine judged."""
        return self.passed + self.review + self.rejected

    @property
    def yield_share(self) -> float | None:
        """Share of the inspected frames that passed; None if there are none."""
        return self.passed / self.inspected if self.inspected else None

    def __add__(self, other: VerdictCounts) -> VerdictCounts:
        return VerdictCounts(
            self.passed + other.passed,
            self.review + other.review,
            self.rejected + other.rejected,
            self.uninspected + other.uninspected,
        )


def record(session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add a batch's verdicts; rows that are there already stay as they are.

    Args:
        rows: one mapping per frame, with every column of Inspection but `id`, and `queue`, `label`
            and `defect_class`, which people change; `lot_id` may be left out.

    Returns:
        How many rows were new.
    """
    if not rows:
        return 0
    # In one order everywhere: two workers with the same frames then never wait in a ring.
    ordered = sorted(rows, key=lambda row: row["frame_id"])
    values = [{"lot_id": None, **row, "queue": _first_queue(row)} for row in ordered]
    result = session.connection().execute(
        insert_if_absent(session, Inspection), values, execution_options={"preserve_rowcount": True}
    )
    return result.rowcount


def has_verdict(session: Session, frame_id: UUID) -> bool:
    """Whether any model version has judged a frame."""
    query = select(Inspection.id).where(Inspection.frame_id == frame_id).limit(1)
    return session.scalar(query) is not None


def _first_queue(row: Mapping[str, Any]) -> str | None:
    return unreviewed_queue(row["verdict"], row["audit_probability"])


def unreviewed_queue(verdict: str, audit_probability: float | None) -> str | None:
    """Where an inspection waits that nobody has reviewed."""
    if verdict in FLAGGED:
        return ReviewQueue.FLAGGED.value
    drawn = verdict == Verdict.PASS and audit_probability is not None
    return ReviewQueue.AUDIT.value if drawn else None


def get(session: Session, inspection_id: int) -> InspectionView:
    """One inspection; raises NotFound."""
    row = session.execute(select_views().where(Inspection.id == inspection_id)).first()
    if row is None:
        raise NotFound(f"there is no inspection {inspection_id}")
    return InspectionView(*row)


def latest_by_camera(
    session: Session, line_id: int, *, limit: int = 8
) -> dict[str, list[InspectionView]]:
    """The last frames of each camera of a line that can be shown, newest first.

    Those are the frames whose picture was kept, and those that never had one (UNINSPECTED). Where
    none of the recent ones was kept, the frames without pictures; a camera without frames has none.
    """
    newest_first = (
        Inspection.recorded_at.desc(),
        Inspection.captured_at.desc(),
        Inspection.id.desc(),
    )
    can_be_shown = Inspection.image_key.is_not(None) | (Inspection.verdict == Verdict.UNINSPECTED)
    latest = {}
    # A camera at a time: each reads a bounded stretch of the index, however many rows there are.
    for camera_id, name in _cameras(session, line_id):
        of_camera = Inspection.camera_id == camera_id
        recent = (
            select(Inspection.id).where(of_camera).order_by(*newest_first).limit(LOOK_BACK * limit)
        )
        shown = select_views().where(Inspection.id.in_(recent), can_be_shown)
        rows = session.execute(shown.order_by(*newest_first).limit(limit)).all()
        if not rows:
            any_frame = select_views().where(of_camera)
            rows = session.execute(any_frame.order_by(*newest_first).limit(limit)).all()
        latest[name] = [InspectionView(*row) for row in rows]
    return latest


def counts_by_camera(
    session: Session, line_id: int, since: datetime, *, until: datetime | None = None
) -> dict[str, VerdictCounts]:
    """Verdicts recorded since a time, of each camera of a line; `sum_counts` adds them up.

    Args:
        until: only those recorded before; None: all.
    """
    cameras = _cameras(session, line_id)
    ended = [] if until is None else [Inspection.recorded_at < until]
    query = (
        # One pass along the index, whose order the groups follow; grouping by verdict would sort.
        select(
            Inspection.camera_id,
            *(func.count().filter(Inspection.verdict == verdict.value) for verdict in Verdict),
        )
        .where(
            Inspection.camera_id.in_([camera_id for camera_id, _ in cameras]),
            Inspection.recorded_at >= since,
            *ended,
        )
        .group_by(Inspection.camera_id)
    )
    found = {camera_id: VerdictCounts(*counts) for camera_id, *counts in session.execute(query)}
    return {name: found.get(camera_id, VerdictCounts()) for camera_id, name in cameras}


def sum_counts(counts: Mapping[str, VerdictCounts]) -> VerdictCounts:
    """A line's counts from its cameras'."""
    return sum(counts.values(), VerdictCounts())


def rate_by_camera(
    session: Session, line_id: int, *, window_s: float = 60.0, now: datetime | None = None
) -> dict[str, float]:
    """Verdicts per second of each camera of a line, over the last `window_s`."""
    since = (now or utc_now()) - timedelta(seconds=window_s)
    counts = counts_by_camera(session, line_id, since)
    return {name: (c.inspected + c.uninspected) / window_s for name, c in counts.items()}


def select_views() -> Select[*tuple[Any, ...]]:
    """A query whose rows are the arguments of InspectionView; add conditions, order and limit."""
    return (
        select(
            Inspection.id,
            Inspection.frame_id,
            Inspection.line_id,
            Camera.name,
            ModelVersion.number,
            ModelVersion.review_threshold,
            ModelVersion.reject_threshold,
            # Models of the first format have none.
            func.coalesce(_peaks("review"), ModelVersion.review_threshold),
            func.coalesce(_peaks("reject"), ModelVersion.reject_threshold),
            Inspection.sequence,
            Inspection.part_id,
            Inspection.captured_at,
            Inspection.recorded_at,
            Inspection.score,
            Inspection.verdict,
            Inspection.reason,
            Inspection.queue,
            Inspection.image_key,
            Inspection.map_key,
            Inspection.map_low,
            Inspection.map_high,
            Inspection.width_px,
            Inspection.height_px,
        )
        .join(Camera, Camera.id == Inspection.camera_id)
        .outerjoin(ModelVersion, ModelVersion.id == Inspection.model_version_id)
    )


def _peaks(verdict: str) -> ColumnElement[float]:
    peak: ColumnElement[float] = ModelVersion.manifest["map_thresholds"][verdict].as_float()
    return peak


def _cameras(session: Session, line_id: int) -> list[tuple[int, str]]:
    query = select(Camera.id, Camera.name).where(Camera.line_id == line_id).order_by(Camera.name)
    return [(camera_id, name) for camera_id, name in session.execute(query)]
