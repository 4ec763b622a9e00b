"""Samples without a side, samples with one, and giving it: for `workers.labelling`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from db.locking import lock
from db.splitting import Member
from db.tables import Line, Sample, SampleLabel, Side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class SidedSample:
    """A sample whose picture was looked at."""

    id: int
    signature: bytes
    #: None: not given yet.
    side: Side | None
    is_removed: bool
    duplicate_of_id: int | None
    member: Member

    @property
    def is_defect(self) -> bool:
        """Whether it shows one."""
        return self.member.label == SampleLabel.DEFECT


def without_signature(session: Session, line_id: int, *, limit: int) -> list[tuple[int, str]]:
    """Samples in use whose pictures nobody has looked at, oldest first: id and picture's key."""
    query = (
        select(Sample.id, Sample.image_key)
        .where(Sample.line_id == line_id, Sample.signature.is_(None), Sample.removed_at.is_(None))
        .order_by(Sample.id)
        .limit(limit)
    )
    return [(sample_id, key) for sample_id, key in session.execute(query)]


def lines_to_complete(session: Session) -> list[int]:
    """Lines with samples that have no signature or no side yet."""
    query = (
        select(Sample.line_id)
        .where(Sample.signature.is_(None) | Sample.side.is_(None), Sample.removed_at.is_(None))
        .distinct()
    )
    return sorted(session.scalars(query))


def keep_signatures(session: Session, signatures: Mapping[int, bytes]) -> None:
    """Store what was found, sample id by sample id; a picture's signature is always the same."""
    for sample_id, signature in sorted(signatures.items()):
        change = update(Sample).where(Sample.id == sample_id).values(signature=signature)
        session.execute(change)


def looked_at(session: Session, line_id: int) -> list[SidedSample]:
    """Every sample of a line with a signature, oldest first, removed ones too.

    Those count as neighbours as well: a model may have learned from them before.
    """
    columns = (
        Sample.id, Sample.signature, Sample.side, Sample.removed_at, Sample.duplicate_of_id,
        Sample.frame_id, Sample.source, Sample.label, Sample.defect_class, Sample.part_id,
        Sample.lot_id,
    )  # fmt: skip
    query = select(*columns).where(Sample.line_id == line_id, Sample.signature.is_not(None))
    return [
        SidedSample(
            sample_id,
            signature or b"",  # never empty: the query leaves those out
            None if side is None else Side(side),
            removed_at is not None,
            duplicate_of_id,
            Member(*of_frame),
        )
        for sample_id, signature, side, removed_at, duplicate_of_id, *of_frame in session.execute(
            query.order_by(Sample.id)
        )
    ]


def store(
    session: Session, sides: Mapping[int, Side], duplicates: Mapping[int, int | None]
) -> None:
    """Store sides of samples that have none, and duplicate marks."""
    for sample_id, side in sorted(sides.items()):
        change = update(Sample).where(Sample.id == sample_id, Sample.side.is_(None))
        session.execute(change.values(side=side.value))
    for sample_id, duplicate_of_id in sorted(duplicates.items()):
        change = update(Sample).where(Sample.id == sample_id)
        session.execute(change.values(duplicate_of_id=duplicate_of_id))


def lock_if_unchanged(session: Session, line_id: int, seen: Sequence[SidedSample]) -> bool:
    """Whether the line's samples are as they were seen; nobody else gives sides from now on.

    The lock is held until the transaction ends.
    """
    lock(session, Line, line_id)
    return looked_at(session, line_id) == list(seen)


def give(
    session: Session,
    line_id: int,
    sides: Mapping[int, Side],
    duplicates: Mapping[int, int | None],
    *,
    seen: Sequence[SidedSample],
) -> bool:
    """Store sides and duplicate marks that were worked out from `seen`.

    Returns:
        False, and nothing is stored, if the line's samples changed meanwhile in a way that matters:
        they are to be worked out anew.
    """
    if not lock_if_unchanged(session, line_id, seen):
        return False
    store(session, sides, duplicates)
    return True
