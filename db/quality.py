"""Counts for the Quality page: verdicts, confirmed reviews, the audit, people's work, scores.

Every function takes the cameras it is about, and stretches of time. Verdicts are counted from an
index alone, scores are sampled, and reviews are found by when they were given, since there is one
for a few percent of the inspections only: with a million inspections in 30 days none of them takes
longer than half a second, so that no counts need to be kept beside the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Integer, and_, column, func, literal_column, or_, select, values
from sqlalchemy.orm import aliased

from db.inspections import VerdictCounts
from db.opinions import LABELS, stands
from db.tables import (
    Camera,
    Decision,
    Inspection,
    QuarantinedFrame,
    Review,
    ReviewQueue,
    SampleLabel,
    Verdict,
)
from db.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import CTE, ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute, Session

T = TypeVar("T")

#: A review follows its inspection, but workers and dashboard may run on hosts whose clocks differ.
CLOCK_SKEW = timedelta(hours=1)
#: Of so many latest reviews the time to review is known.
DELAYS_READ = 5_000
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
class ReviewerWork:
    """What one person did; nothing that was undone is in it, but for `undone`."""

    reviewer: str
    defect: int
    good: int
    unsure: int
    #: Cleared without a look: not reviewed.
    dismissed: int
    #: Own and others' reviews taken back.
    undone: int

    @property
    def reviewed(self) -> int:
        """Answers that say something of the part."""
        return self.defect + self.good


@dataclass(frozen=True, slots=True)
class SecondLooks:
    """Parts on which somebody answered after somebody else had."""

    count: int
    #: Those on which one said the contrary of another.
    differing: int


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
    table, is_in = _joined(camera_ids, windows)
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
    what = (
        Inspection.verdict,
        Review.decision,
        Review.defect_class,
        Inspection.audit_probability,
    )
    query = (
        select(*what, func.count())
        .join(Inspection, Inspection.id == Review.inspection_id)
        .where(
            Review.created_at >= min(window.start for window in windows) - CLOCK_SKEW,
            *_is_last_word(),
            Review.decision.in_(LABELS),
            Inspection.queue.is_(None),
            _of_cameras(camera_ids),
            _within(Inspection.recorded_at, windows),
        )
        .group_by(*what)
    )
    return [
        ReviewedParts(Verdict(verdict), LABELS[decision], defect_class, probability, count)
        for verdict, decision, defect_class, probability, count in session.execute(query)
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


def work_by_reviewer(
    session: Session, camera_ids: Sequence[int], windows: Sequence[Window]
) -> list[ReviewerWork]:
    """What each person did in the windows, those with most answers first."""
    is_standing = and_(*stands())
    decisions = (Decision.DEFECT, Decision.GOOD, Decision.UNSURE, Decision.DISMISSED)
    query = (
        select(
            Review.reviewer,
            *(
                func.count().filter(Review.decision == decision.value, is_standing)
                for decision in decisions
            ),
            func.count().filter(Review.decision == Decision.UNDO.value),
        )
        .where(_within(Review.created_at, windows), _is_about(camera_ids))
        .group_by(Review.reviewer)
    )
    found = [ReviewerWork(reviewer, *counts) for reviewer, *counts in session.execute(query)]
    return sorted(found, key=lambda work: (-work.reviewed, work.reviewer))


def count_second_looks(
    session: Session, camera_ids: Sequence[int], windows: Sequence[Window]
) -> SecondLooks:
    """Parts on which an answer given in the windows follows one of somebody else."""
    earlier = aliased(Review)
    of_another: Select[tuple[Any]] = (
        select(literal_column("1"))
        .where(
            earlier.inspection_id == Review.inspection_id,
            earlier.id < Review.id,
            earlier.reviewer != Review.reviewer,
            earlier.decision.in_(LABELS),
            *stands(earlier),
        )
        .correlate(Review)
    )
    differing = of_another.where(earlier.decision != Review.decision).exists()
    part = Review.inspection_id.distinct()
    query = (
        select(func.count(part), func.count(part).filter(differing))
        .select_from(Review)
        .where(
            _within(Review.created_at, windows),
            Review.decision.in_(LABELS),
            *stands(),
            of_another.exists(),
            _is_about(camera_ids),
        )
    )
    return SecondLooks(*session.execute(query).one())


def delays_s(session: Session, camera_ids: Sequence[int], windows: Sequence[Window]) -> list[float]:
    """Seconds from verdict to first answer, of the latest answers given in the windows."""
    earlier = aliased(Review)
    is_first = (
        ~select(literal_column("1"))
        .where(
            earlier.inspection_id == Review.inspection_id,
            earlier.id < Review.id,
            earlier.decision.in_(LABELS),
            *stands(earlier),
        )
        .exists()
    )
    query = (
        select(Review.created_at, _of_inspection(Inspection.recorded_at))
        .where(
            _within(Review.created_at, windows),
            Review.decision.in_(LABELS),
            *stands(),
            is_first,
            _is_about(camera_ids),
        )
        .order_by(Review.created_at.desc())
        .limit(DELAYS_READ)
    )
    return [max(0.0, (given - seen).total_seconds()) for given, seen in session.execute(query)]


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
    table, is_in = _joined(camera_ids, windows)
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


def _joined(
    camera_ids: Sequence[int], windows: Sequence[Window]
) -> tuple[CTE, ColumnElement[bool]]:
    """The windows as a table, and how inspections join it: each by a stretch of the index."""
    columns = (
        column("number", Integer),
        column("low", UtcDateTime),
        column("high", UtcDateTime),
    )
    rows = [(number, window.start, window.end) for number, window in enumerate(windows)]
    table = values(*columns, name="stretches").data(rows).cte("windows")
    return table, and_(
        Inspection.camera_id.in_(camera_ids),
        Inspection.recorded_at >= table.c.low,
        Inspection.recorded_at < table.c.high,
    )


def _is_last_word() -> tuple[ColumnElement[bool], ...]:
    """Conditions on Review: it stands, and so does none after it on its inspection."""
    later = aliased(Review)
    followed = (
        select(literal_column("1"))
        .where(later.inspection_id == Review.inspection_id, later.id > Review.id, *stands(later))
        .exists()
    )
    return (*stands(), ~followed)


def _is_about(camera_ids: Sequence[int]) -> ColumnElement[bool]:
    """A condition on Review."""
    return _of_inspection(Inspection.camera_id).in_(camera_ids)


def _of_inspection(wanted: InstrumentedAttribute[T]) -> ColumnElement[T]:
    """A column of a review's inspection.

    Looked up for each review by its number: for a join, PostgreSQL reads all inspections there are.
    """
    of_review = Inspection.id == Review.inspection_id
    return select(wanted).where(of_review).correlate(Review).scalar_subquery()


def _of_cameras(camera_ids: Sequence[int]) -> ColumnElement[bool]:
    """A condition on Inspection that is no way to find it.

    SQLite, which knows no sizes, would otherwise walk through all of a camera's inspections to look
    whether each has a review, instead of through the reviews.
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
