"""People's work for the Quality page: answers, second looks, and how long parts wait.

Reviews are found by camera and when they were given, which an index knows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import func, literal_column, or_, select
from sqlalchemy.orm import aliased

from db.opinions import LABELS, stands, was_not_undone
from db.quality import join_windows
from db.tables import Decision, Inspection, Review, ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from db.quality import Window

T = TypeVar("T")

#: Of so many latest reviews the time to review is known.
DELAYS_READ = 5_000


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


def work_by_reviewer(
    session: Session, camera_ids: Sequence[int], windows: Sequence[Window]
) -> list[ReviewerWork]:
    """What each person did in the windows, those with most answers first."""
    table, is_in = join_windows(Review.camera_id, Review.created_at, camera_ids, windows)
    query = (
        select(Review.reviewer, Review.decision, func.count())
        .select_from(table)
        .join(Review, is_in)
        .where(was_not_undone())
        .group_by(Review.reviewer, Review.decision)
    )
    counts: dict[str, Counter[str]] = {}
    for reviewer, decision, count in session.execute(query):
        counts.setdefault(reviewer, Counter())[decision] = count
    found = [
        ReviewerWork(
            reviewer,
            defect=of[Decision.DEFECT],
            good=of[Decision.GOOD],
            unsure=of[Decision.UNSURE],
            dismissed=of[Decision.DISMISSED],
            undone=of[Decision.UNDO],
        )
        for reviewer, of in counts.items()
    ]
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
    table, is_in = join_windows(Review.camera_id, Review.created_at, camera_ids, windows)
    query = (
        select(func.count(part), func.count(part).filter(differing))
        .select_from(table)
        .join(Review, is_in)
        .where(
            _may_follow_another(),
            Review.decision.in_(LABELS),
            *stands(),
            of_another.exists(),
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
    table, is_in = join_windows(Review.camera_id, Review.created_at, camera_ids, windows)
    query = (
        select(Review.created_at, _of_inspection(Inspection.recorded_at))
        .select_from(table)
        .join(Review, is_in)
        .where(
            Review.decision.in_(LABELS),
            *stands(),
            or_(~_may_follow_another(), is_first),
        )
        .order_by(Review.created_at.desc())
        .limit(DELAYS_READ)
    )
    return [max(0.0, (given - seen).total_seconds()) for given, seen in session.execute(query)]


def _may_follow_another() -> ColumnElement[bool]:
    """A condition on Review that leaves out nearly all on which no answer stood before.

    Where an answer stands, the inspection waits for another opinion or not at all: what is given in
    the machine's own queues is the first. Reviews from before there were queues name none.
    """
    first = (ReviewQueue.FLAGGED.value, ReviewQueue.AUDIT.value)
    return or_(Review.queue.is_(None), Review.queue.not_in(first))


def _of_inspection(wanted: InstrumentedAttribute[T]) -> ColumnElement[T]:
    """A column of a review's inspection.

    Looked up for each review by its number: for a join, PostgreSQL reads all inspections there are.
    """
    of_review = Inspection.id == Review.inspection_id
    return select(wanted).where(of_review).correlate(Review).scalar_subquery()
