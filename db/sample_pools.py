"""The samples that a training may learn from as normals, and those that it is judged by.

A line trains on goods that a person has looked at: flagged or drawn frames confirmed as good, the
looked-over frames of a teaching, and imported goods. PASS frames that nobody looked at are never
among them, however many there are: some of them are escapes, and a model that learns those as
normal passes them for ever.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import defer

from db.tables import Sample, SampleLabel, SampleSource, Side, Teaching, TeachingState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: A training takes the newest so many: its time grows with them, and what it learns hardly does.
MOST_NORMALS = 4_000
#: Two models score each of them one by one. With so many goods a false-reject rate of 1 % is known
#: to half a percent, and with so many defects an escape rate of 10 % to two.
MOST_GOLDEN_GOODS = 2_000
MOST_GOLDEN_DEFECTS = 1_000


def normal_pool(
    session: Session,
    line_id: int,
    *,
    teaching_id: int | None = None,
    limit: int = MOST_NORMALS,
) -> list[Sample]:
    """The newest training-side goods in use, near-duplicates once; oldest first.

    Args:
        teaching_id: only what was collected by this teaching, near-duplicates too: whoever asked
            for so many frames and looked them over wants all of them.
        limit: how many at most.
    """
    query = select(Sample).where(*_normal(line_id))
    if teaching_id is None:
        query = query.where(Sample.duplicate_of_id.is_(None))
    else:
        query = query.where(Sample.teaching_id == teaching_id)
    newest = query.options(defer(Sample.signature)).order_by(Sample.id.desc()).limit(limit)
    return list(session.scalars(newest))[::-1]


def count_normals(session: Session, line_id: int) -> int:
    """How many `normal_pool` has."""
    query = select(Sample.id).where(*_normal(line_id), Sample.duplicate_of_id.is_(None))
    counted = query.limit(MOST_NORMALS).subquery()
    return session.scalars(select(func.count()).select_from(counted)).one()


def count_golden(session: Session, line_id: int) -> tuple[int, int]:
    """How many goods and how many defects `golden_pool` has, up to its limits."""
    query = (
        select(Sample.label, func.count())
        .where(*_usable(line_id, Side.GOLDEN), Sample.duplicate_of_id.is_(None))
        .group_by(Sample.label)
    )
    counts: Counter[str] = Counter()
    for label, number in session.execute(query):
        counts[label] = number
    goods, defects = counts[SampleLabel.GOOD.value], counts[SampleLabel.DEFECT.value]
    return min(goods, MOST_GOLDEN_GOODS), min(defects, MOST_GOLDEN_DEFECTS)


def golden_pool(session: Session, line_id: int) -> list[Sample]:
    """The newest golden goods and defects in use, near-duplicates once; oldest first."""
    found: list[Sample] = []
    for label, limit in (
        (SampleLabel.GOOD, MOST_GOLDEN_GOODS),
        (SampleLabel.DEFECT, MOST_GOLDEN_DEFECTS),
    ):
        query = select(Sample).where(
            *_usable(line_id, Side.GOLDEN),
            Sample.duplicate_of_id.is_(None),
            Sample.label == label.value,
        )
        newest = query.options(defer(Sample.signature)).order_by(Sample.id.desc()).limit(limit)
        found += session.scalars(newest)
    return sorted(found, key=lambda sample: sample.id)


def looked_over() -> ColumnElement[bool]:
    """Condition on Sample: it is not the frame of a teaching that nobody has looked over yet."""
    states = (TeachingState.TRAINING.value, TeachingState.DONE.value)
    over = select(Teaching.id).where(Teaching.state.in_(states))
    return or_(Sample.source != SampleSource.TEACHING.value, Sample.teaching_id.in_(over))


def _normal(line_id: int) -> tuple[ColumnElement[bool], ...]:
    return *_usable(line_id, Side.TRAINING), Sample.label == SampleLabel.GOOD.value


def _usable(line_id: int, side: Side) -> tuple[ColumnElement[bool], ...]:
    return (
        Sample.line_id == line_id,
        Sample.side == side.value,
        Sample.signature.is_not(None),
        Sample.removed_at.is_(None),
        looked_over(),
    )
