"""Counts for the Quality page: verdicts, confirmed words, what waits, frames in quarantine, scores.

Every function takes the cameras it is about, and stretches of time. Verdicts and confirmed words
are counted from indexes alone, and scores are sampled: no counts need to be kept beside the rows
(`python -m bench pages`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Integer, and_, column, func, or_, select, values

from db.inspections import VerdictCounts
from db.tables import (
    Camera,
    Inspection,
    QuarantinedFrame,
    ReviewQueue,
    SampleLabel,
    Verdict,
)
from db.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import CTE, ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session

#: A review follows its inspection, but workers and dashboard may run on hosts whose clocks differ.
CLOCK_SKEW = timedelta(hours=1)
#: Multiples of the golden ratio spread evenly over the residues, whatever the step between ids.
_RESIDUES, _GOLDEN = 65_536, 40_503


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time."""

    start: datetime
    #: Not in it any more.
    end: datetime


@dataclass(frozen=True, slots=True)
class ReviewedParts:
    """Parts that are alike in what the machine and a person said of them."""

    verdict: Verdict
    #: The person's word that counts.
    label: SampleLabel
    #: None: good, or nobody said.
    defect_class: str | None
    #: Probability of the blind audit's draw; None: not drawn.
    audit_probability: float | None
    #: How many.
    count: int


@dataclass(frozen=True, slots=True)
class FirstScores:
    """The scores that a model version began with."""

    scores: list[float]
    #: When the last of them was recorded; None: there are none.
    until: datetime | None


def count_verdicts(
    session: Session, camera_ids: Sequence[int], windows: Sequence[Window]
) -> list[VerdictCounts]:
    """Verdicts recorded in each window, all cameras together."""
    if not camera_ids or not windows:
        return [VerdictCounts() for _ in windows]
    table, is_in = join_windows(Inspection.camera_id, Inspection.recorded_at, camera_ids, windows)
    query = (
        select(
            table.c.number,
            *(func.count().filter(Inspection.verdict == verdict.value) for verdict in Verdict),
        )
        .select_from(table)
        .join(Inspection, is_in)
        .group_by(table.c.number)
    )
    found = {number: VerdictCounts(*counts) for number, *counts in session.execute(query)}
    return [found.get(number, VerdictCounts()) for number in range(len(windows))]


def count_reviewed(
    session: Session, camera_ids: Sequence[int], windows: Sequence[Window]
) -> list[ReviewedParts]:
    """Confirmed words on the inspections recorded in the windows, whenever they were given.

    As `db.opinions.confirmed` has it: the last review that stands, while the inspection waits in no
    queue. What was dismissed, disputed, or wants a second opinion is not among them.
    """
    if not camera_ids or not windows:
        return []
    table, is_in = join_windows(Inspection.camera_id, Inspection.recorded_at, camera_ids, windows)
    what = (
        Inspection.verdict,
        Inspection.label,
        Inspection.defect_class,
        Inspection.audit_probability,
    )
    query = (
        select(*what, func.count())
        .select_from(table)
        .join(Inspection, is_in)
        .where(Inspection.label.is_not(None))
        .group_by(*what)
    )
    return [
        ReviewedParts(Verdict(verdict), SampleLabel(label), defect_class, probability, count)
        for verdict, label, defect_class, probability, count in session.execute(query)
        if label is not None  # as the query says
    ]


def count_waiting(
    session: Session, line_id: int, camera_ids: Sequence[int], windows: Sequence[Window]
) -> dict[ReviewQueue, int]:
    """Inspections recorded in the windows that wait for a person, by queue."""
    query = (
        select(Inspection.queue, func.count())
        .where(
            Inspection.line_id == line_id,
            Inspection.queue.is_not(None),
            _of_cameras(camera_ids),
            _within(Inspection.recorded_at, windows),
        )
        .group_by(Inspection.queue)
    )
    found = {row[0]: row[1] for row in session.execute(query)}
    return {queue: found.get(queue.value, 0) for queue in ReviewQueue}


def count_quarantined(
    session: Session, line_id: int, camera_ids: Sequence[int], windows: Sequence[Window]
) -> int:
    """Frames that could not be judged, put aside in the windows."""
    names = select(Camera.name).where(Camera.id.in_(camera_ids))
    query = select(func.count()).where(
        QuarantinedFrame.line_id == line_id,
        # A frame that does not even say its camera is the line's own.
        or_(QuarantinedFrame.camera.in_(names), QuarantinedFrame.camera.is_(None)),
        _within(QuarantinedFrame.quarantined_at, windows),
    )
    return session.scalars(query).one()


def first_scores(
    session: Session,
    camera_ids: Sequence[int],
    model_version_id: int,
    *,
    since: datetime,
    limit: int,
) -> FirstScores:
    """The first scores of a model version, each camera's as many.

    Args:
        since: the version has not scored before; its creation.
        limit: of all cameras together, at most.
    """
    scores: list[float] = []
    moments: list[datetime] = []
    for camera_id in camera_ids:
        # A camera at a time: each reads a stretch of the index, in its order.
        query = (
            select(Inspection.recorded_at, Inspection.score)
            .where(
                Inspection.camera_id == camera_id,
                Inspection.recorded_at >= since - CLOCK_SKEW,
                Inspection.model_version_id == model_version_id,
                Inspection.score.is_not(None),
            )
            .order_by(Inspection.recorded_at)
            .limit(limit // len(camera_ids))
        )
        for recorded_at, score in session.execute(query):
            if score is not None:  # as the query says
                scores.append(score)
                moments.append(recorded_at)
    return FirstScores(scores, max(moments, default=None))


def sample_scores(
    session: Session,
    camera_ids: Sequence[int],
    model_version_id: int,
    windows: Sequence[Window],
    *,
    share: float,
    limit: int,
) -> list[float]:
    """Scores of a model version, drawn evenly from the inspections in the windows.

    The draw goes by the inspection's id: the same question has the same answer.

    Args:
        share: of the inspections, 0 to 1; all of them from 1.
        limit: at most so many scores.
    """
    if not camera_ids or not windows:
        return []
    drawn = (Inspection.id % _RESIDUES) * _GOLDEN % _RESIDUES < round(share * _RESIDUES)
    table, is_in = join_windows(Inspection.camera_id, Inspection.recorded_at, camera_ids, windows)
    query = (
        select(Inspection.score)
        .select_from(table)
        .join(Inspection, is_in)
        .where(
            *([drawn] if share < 1 else []),
            Inspection.model_version_id == model_version_id,
            Inspection.score.is_not(None),
        )
        .limit(limit)
    )
    return [score for score in session.scalars(query) if score is not None]


def join_windows(
    camera_id: InstrumentedAttribute[int],
    moment: InstrumentedAttribute[datetime],
    camera_ids: Sequence[int],
    windows: Sequence[Window],
) -> tuple[CTE, ColumnElement[bool]]:
    """The windows as a table, and how rows join it: each by stretches of the cameras' index."""
    columns = (
        column("number", Integer),
        column("low", UtcDateTime),
        column("high", UtcDateTime),
    )
    rows = [(number, window.start, window.end) for number, window in enumerate(windows)]
    table = values(*columns, name="stretches").data(rows).cte("windows")
    is_in = and_(camera_id.in_(camera_ids), moment >= table.c.low, moment < table.c.high)
    return table, is_in


def _of_cameras(camera_ids: Sequence[int]) -> ColumnElement[bool]:
    """A condition on Inspection that is no way to find it.

    SQLite, which knows no sizes, would otherwise walk through all of a camera's inspections to look
    which ones wait, instead of through those that do.
    """
    return (Inspection.camera_id + 0).in_(camera_ids)


def _within(
    moment: InstrumentedAttribute[datetime], windows: Sequence[Window]
) -> ColumnElement[bool]:
    """The whole stretch is told too: an index serves one range, but not several."""
    ranges = [and_(moment >= window.start, moment < window.end) for window in windows]
    if len(ranges) == 1:
        return ranges[0]
    whole = and_(
        moment >= min(window.start for window in windows),
        moment < max(window.end for window in windows),
    )
    return and_(whole, or_(*ranges))
