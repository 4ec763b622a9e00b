"""The few-shot set: the confirmed defects of a line, and which of them the next training uses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select

from db.tables import (
    DatasetSnapshot,
    Sample,
    SampleLabel,
    Side,
    SnapshotItem,
    SnapshotUse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

#: Of one class a training uses the newest so many, near-duplicates not counted: a line's frequent
#: defect must not drown its rare ones, and the newest look as the line looks today.
MOST_OF_CLASS = 50


class NotUsed(StrEnum):
    """Why the next training leaves a confirmed defect out."""

    REMOVED = "removed"
    #: Its picture waits to be compared with the others.
    NOT_LOOKED_AT = "not looked at yet"
    #: The machine is judged by it.
    GOLDEN = "golden"
    #: It belongs with frames of both sides.
    NEITHER = "on neither side"
    #: Nearly the same picture as an earlier one.
    NEAR_DUPLICATE = "near-duplicate"
    #: There are enough newer ones of its class.
    EXCESS = "enough of its class"


@dataclass(frozen=True, slots=True)
class FewShotSample:
    """A confirmed defect."""

    id: int
    frame_id: UUID
    #: None: imported.
    inspection_id: int | None
    review_id: int | None
    #: None: nobody named it.
    defect_class: str | None
    source: str
    image_key: str
    mask_key: str | None
    side: str | None
    #: The sample that it nearly is.
    duplicate_of_id: int | None
    created_at: datetime
    removed_at: datetime | None
    removed_by: str | None
    removed_reason: str | None
    #: None: the next training uses it.
    why_not: NotUsed | None = None


def few_shot_set(
    session: Session, line_id: int, *, most_of_class: int = MOST_OF_CLASS
) -> list[FewShotSample]:
    """Every confirmed defect of a line, newest first, removed ones too."""
    columns = (
        Sample.id, Sample.frame_id, Sample.inspection_id, Sample.review_id, Sample.defect_class,
        Sample.source, Sample.image_key, Sample.mask_key, Sample.side, Sample.duplicate_of_id,
        Sample.created_at, Sample.removed_at, Sample.removed_by, Sample.removed_reason,
    )  # fmt: skip
    query = (
        select(*columns, Sample.signature.is_not(None))
        .where(Sample.line_id == line_id, Sample.label == SampleLabel.DEFECT.value)
        .order_by(Sample.id.desc())
    )
    used: Counter[str | None] = Counter()
    found = []
    for *values, is_looked_at in session.execute(query):
        row = FewShotSample(*values)
        why_not = _why_not(row, is_looked_at)
        if why_not is None:
            used[row.defect_class] += 1
            if used[row.defect_class] > most_of_class:
                why_not = NotUsed.EXCESS
        found.append(replace(row, why_not=why_not))
    return found


def _why_not(row: FewShotSample, is_looked_at: bool) -> NotUsed | None:
    """Why a defect is left out, whatever others there are of its class."""
    if row.removed_at is not None:
        return NotUsed.REMOVED
    if row.side is None or not is_looked_at:
        return NotUsed.NOT_LOOKED_AT
    if row.side != Side.TRAINING.value:
        return NotUsed.GOLDEN if row.side == Side.GOLDEN.value else NotUsed.NEITHER
    return NotUsed.NEAR_DUPLICATE if row.duplicate_of_id is not None else None


def waiting_defects(
    session: Session, line_id: int, found: Iterable[FewShotSample] | None = None
) -> int:
    """How many defects the next training would use that the newest snapshot does not hold.

    Those whose pictures nobody has compared yet do not count: call
    `workers.labelling.complete_samples` first.

    Args:
        found: the line's few-shot set, for whoever has read it already.
    """
    if found is None:
        found = few_shot_set(session, line_id)
    newest = (
        select(DatasetSnapshot.id)
        .where(DatasetSnapshot.line_id == line_id)
        .order_by(DatasetSnapshot.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    known = select(SnapshotItem.sample_id).where(
        SnapshotItem.snapshot_id == newest, SnapshotItem.use == SnapshotUse.ANOMALY.value
    )
    used = {one.id for one in found if one.why_not is None}
    return len(used.difference(session.scalars(known)))
