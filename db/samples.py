"""Labelled frames: what the machine may learn from, or is judged by.

The reviews are the record; `refresh` makes a frame's sample follow from them. Frames that nobody
has looked at are never samples: a PASS may be an escape.

A sample begins without side and signature: `workers.labelling` looks at its picture and gives both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from db import audit
from db.access import require, trusted
from db.errors import Conflict
from db.few_shot import few_shot_set, waiting_defects
from db.inserting import insert_if_absent
from db.locking import lock
from db.opinions import confirmed
from db.sample_pools import count_normals, golden_pool, normal_pool
from db.tables import (
    Inspection,
    Line,
    Role,
    Sample,
    SampleLabel,
    SampleSource,
    Side,
    SnapshotItem,
    utc_now,
)

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from db.access import Actor
    from db.opinions import Confirmed

__all__ = [
    "add",
    "count_normals",
    "few_shot_set",
    "golden_pool",
    "normal_pool",
    "refresh",
    "remove",
    "remove_unusable",
    "restore",
    "waiting_defects",
]

#: Who takes out samples whose picture or review is gone.
PROGRAM = "linewatch"
#: Reason of a sample whose review was taken back, kept because a snapshot names it.
TAKEN_BACK = "its review was taken back"
MAX_REASON_CHARS = 500


def refresh(session: Session, inspection_id: int) -> None:
    """Make, change or withdraw the sample that follows from the reviews of an inspection.

    A frame whose picture was kept and whose label is confirmed is a sample. One whose label is
    taken back is withdrawn: deleted, or kept as removed where a snapshot names it. Its side, once
    given, stays, and so does the removal by a person. Call it after every review event, in the same
    transaction, with the inspection locked.
    """
    inspection = session.get_one(Inspection, inspection_id)
    found = session.scalar(
        select(Sample).where(
            Sample.line_id == inspection.line_id, Sample.frame_id == inspection.frame_id
        )
    )
    spoken = _latest_word(session, inspection)
    if spoken is None:
        if found is not None and found.review_id is not None:
            _withdraw(session, found)
    elif found is not None:
        _follow(session, found, *spoken)
    elif (reviewed := spoken[0]).image_key is not None:
        made = add(
            session,
            line_id=reviewed.line_id,
            frame_id=reviewed.frame_id,
            source=SampleSource.REVIEW,
            label=spoken[1].label,
            image_key=reviewed.image_key,
            part_id=reviewed.part_id,
            lot_id=reviewed.lot_id,
        )
        _follow(session, made, *spoken)


def add(
    session: Session,
    *,
    line_id: int,
    frame_id: UUID,
    source: SampleSource,
    label: SampleLabel,
    image_key: str,
    defect_class: str | None = None,
    mask_key: str | None = None,
    part_id: str | None = None,
    lot_id: str | None = None,
    teaching_id: int | None = None,
    signature: bytes | None = None,
    side: Side | None = None,
) -> Sample:
    """Add a labelled frame; one that is there already is given back as it is.

    Args:
        signature: for whoever has looked at the picture; None: `workers.labelling` does it.
        side: for whoever has split it as `db.splitting` does; None: `workers.labelling` does it.
    """
    insert = insert_if_absent(session, Sample).values(
        line_id=line_id,
        frame_id=frame_id,
        source=source.value,
        label=label.value,
        defect_class=defect_class,
        image_key=image_key,
        mask_key=mask_key,
        part_id=part_id,
        lot_id=lot_id,
        teaching_id=teaching_id,
        signature=signature,
        side=None if side is None else side.value,
    )
    session.execute(insert)
    query = select(Sample).where(Sample.line_id == line_id, Sample.frame_id == frame_id)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def remove(session: Session, sample_id: int, *, actor: Actor, reason: str) -> Sample:
    """Take a sample out: no training and no gate uses it from the next snapshot on.

    Raises:
        Forbidden: if `actor` is no engineer.
        NotFound: if there is no such sample.
        Conflict: if it is out already.
        ValueError: if no reason is given, or a very long one.
    """
    require(session, actor, Role.ENGINEER)
    reason = _checked(reason)
    sample = lock(session, Sample, sample_id)
    if sample.removed_at is not None:
        raise Conflict(
            f"sample {sample_id} was removed already by {sample.removed_by}: "
            f"{sample.removed_reason}: there is nothing left to do"
        )
    _take_out(session, sample, actor.name, reason)
    _tell(session, "sample.removed", sample, actor, reason)
    return sample


def restore(session: Session, sample_id: int, *, actor: Actor, reason: str) -> Sample:
    """Take a removed sample in again.

    Raises:
        Forbidden: if `actor` is no engineer.
        NotFound: if there is no such sample.
        Conflict: if it is in, or its review was taken back.
        ValueError: if no reason is given, or a very long one.
    """
    require(session, actor, Role.ENGINEER)
    reason = _checked(reason)
    sample = lock(session, Sample, sample_id)
    if sample.removed_at is None:
        raise Conflict(f"sample {sample_id} is not removed: there is nothing left to do")
    if _is_withdrawn(sample):
        raise Conflict(
            f"sample {sample_id} cannot be restored: {TAKEN_BACK}: review the part again"
        )
    _take_in(sample)
    session.flush()
    _tell(session, "sample.restored", sample, actor, reason)
    return sample


def remove_unusable(session: Session, sample_id: int, reason: str) -> None:
    """Take a sample out because its picture cannot be used; one that is out or gone stays so."""
    locked = update(Sample).where(Sample.id == sample_id).values(id=Sample.id)
    if session.scalar(locked.returning(Sample.id)) is None:
        return
    sample = lock(session, Sample, sample_id)
    if sample.removed_at is None:
        _take_out(session, sample, PROGRAM, " ".join(reason.split())[:MAX_REASON_CHARS])
        _tell(session, "sample.removed", sample, trusted(PROGRAM), sample.removed_reason or "")


def _latest_word(session: Session, inspection: Inspection) -> tuple[Inspection, Confirmed] | None:
    """The latest confirmed word on a frame, which several model versions may have inspected."""
    inspections = session.scalars(
        select(Inspection).where(
            Inspection.line_id == inspection.line_id, Inspection.frame_id == inspection.frame_id
        )
    ).all()
    words = [(one, word) for one in inspections if (word := confirmed(session, one.id))]
    return max(words, key=lambda word: word[1].review_id, default=None)


def _follow(session: Session, sample: Sample, reviewed: Inspection, word: Confirmed) -> None:
    """Let a sample say what the review says."""
    if _is_withdrawn(sample):
        _take_in(sample)
    _relabel(session, sample, word.label)
    sample.source = SampleSource.REVIEW.value
    sample.inspection_id, sample.review_id = reviewed.id, word.review_id
    if (sample.defect_class, sample.mask_key) != (word.defect_class, word.mask_key):
        sample.changed_at = utc_now()
    sample.defect_class, sample.mask_key = word.defect_class, word.mask_key
    session.flush()


def _withdraw(session: Session, sample: Sample) -> None:
    """Let a sample be what it was before anybody reviewed it."""
    if sample.teaching_id is not None:
        _relabel(session, sample, SampleLabel.GOOD)
        sample.source = SampleSource.TEACHING.value
        sample.review_id = sample.defect_class = sample.mask_key = None
    elif session.scalar(select(SnapshotItem).where(SnapshotItem.sample_id == sample.id).limit(1)):
        if sample.removed_at is None:
            _take_out(session, sample, PROGRAM, TAKEN_BACK)
    else:
        _leave_copies(session, sample)
        session.delete(sample)
    session.flush()


def _relabel(session: Session, sample: Sample, label: SampleLabel) -> None:
    if sample.label != label.value:
        _leave_copies(session, sample)
        sample.label, sample.duplicate_of_id = label.value, None
        sample.changed_at = utc_now()


def _take_out(session: Session, sample: Sample, by: str, reason: str) -> None:
    _leave_copies(session, sample)
    sample.removed_at, sample.removed_by, sample.removed_reason = utc_now(), by, reason
    sample.changed_at = sample.removed_at
    sample.duplicate_of_id = None
    session.flush()


def _take_in(sample: Sample) -> None:
    sample.removed_at = sample.removed_by = sample.removed_reason = None
    sample.changed_at = utc_now()


def _is_withdrawn(sample: Sample) -> bool:
    return (sample.removed_by, sample.removed_reason) == (PROGRAM, TAKEN_BACK)


def _leave_copies(session: Session, sample: Sample) -> None:
    """The earliest of a sample's near-duplicates takes its place."""
    query = select(Sample.id).where(Sample.duplicate_of_id == sample.id).order_by(Sample.id)
    copies = session.scalars(query).all()
    if copies:
        first, *others = copies
        change = update(Sample).where(Sample.id == first).values(duplicate_of_id=None)
        session.execute(change)
        session.execute(update(Sample).where(Sample.id.in_(others)).values(duplicate_of_id=first))


def _checked(reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason:
        raise ValueError("say why: whoever looks at the few-shot set later will want to know")
    if len(reason) > MAX_REASON_CHARS:
        raise ValueError(f"the reason has {len(reason)} characters, at most {MAX_REASON_CHARS} fit")
    return reason


def _tell(session: Session, action: str, sample: Sample, actor: Actor, reason: str) -> None:
    audit.append(
        session,
        actor=actor,
        action=action,
        subject=f"line:{session.get_one(Line, sample.line_id).name}",
        sample=sample.id,
        frame=str(sample.frame_id),
        label=sample.label,
        defect_class=sample.defect_class,
        reason=reason,
    )
