"""Look at the pictures of new samples: signature, side, and which ones are nearly the same.

Pictures are looked at in small transactions, so that a run that is stopped goes on where it was.
Sides follow from all samples of a line at once; they are worked out without a lock and stored only
if nothing changed meanwhile, so two runs at once give each sample one side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import samples, sides
from db.errors import ImageDamaged, ImageMissing, StoreError
from db.splitting import GOLDEN_SHARE, Split
from models.errors import ModelError
from models.images import decode
from models.near_duplicates import is_flat, near_duplicates_of_each, signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Engine

    from db.sides import SidedSample
    from db.store import ImageStore
    from db.tables import Side

log = structlog.get_logger()

#: Pictures looked at in one transaction.
CHUNK = 50
#: How often sides are worked out anew because the samples changed meanwhile.
TRIES = 10


class Place(Protocol):
    """Where samples and their pictures are; a worker's context is one."""

    engine: Engine
    store: ImageStore
    #: Share of the samples that the machine is judged by.
    golden_share: float


@dataclass(slots=True)
class SamplePlace:
    """A place, for programs that are no worker."""

    engine: Engine
    store: ImageStore
    golden_share: float = GOLDEN_SHARE


@dataclass(frozen=True, slots=True)
class WorkedOut:
    """What follows from all of a line's samples, as far as it differs from what is stored."""

    #: By sample id: sides of those that had none.
    sides: Mapping[int, Side]
    #: By sample id: the sample that it nearly is, or None.
    duplicates: Mapping[int, int | None]


def complete_samples(place: Place, line_id: int, *, limit: int | None = None) -> int:
    """Give a line's new samples their signature, their side and their duplicate marks.

    A sample whose picture is missing or cannot be decoded is removed, with that reason.

    Args:
        limit: look at so many pictures at most; None: at all.

    Returns:
        How many samples got their side.

    Raises:
        StoreError: if the image store cannot be used; what was looked at until then is kept.
    """
    _look_at_pictures(place, line_id, limit)
    for _ in range(TRIES):
        with Session(place.engine) as session:
            seen = sides.looked_at(session, line_id)
        found = work_out(seen, place.golden_share)
        if not found.sides and not found.duplicates:
            return 0
        try:
            with Session(place.engine) as session, session.begin():
                if sides.give(session, line_id, found.sides, found.duplicates, seen=seen):
                    return len(found.sides)
        except IntegrityError:
            log.info("samples.changed_meanwhile", line_id=line_id)  # one was withdrawn
    log.warning("samples.not_completed", line_id=line_id, reason="they change all the time")
    return 0


def complete_all(place: Place, *, limit: int = 200) -> int:
    """Complete the new samples of every line, at most `limit` pictures a line.

    An image store that cannot be used is only logged: the next run tries again.
    """
    with Session(place.engine) as session:
        line_ids = sides.lines_to_complete(session)
    try:
        return sum(complete_samples(place, line_id, limit=limit) for line_id in line_ids)
    except StoreError as exc:
        log.error("samples.not_looked_at", error=str(exc))
        return 0


def work_out(
    seen: Sequence[SidedSample],
    golden_share: float = GOLDEN_SHARE,
    *,
    wanted: Mapping[int, Side] | None = None,
) -> WorkedOut:
    """Sides for those that have none, in order of their ids, and duplicate marks that changed.

    Args:
        seen: all of a line's samples with a signature, by id.
        golden_share: share of the samples that the machine is judged by.
        wanted: by sample id, sides that somebody chose.
    """
    split = Split(golden_share)
    for one in seen:
        if one.side is not None:
            split.know(one.member, one.side)
    new = [one for one in seen if one.side is None]
    near = _near(new, seen)
    side_of = {one.id: one.side for one in seen if one.side is not None}
    given: dict[int, Side] = {}
    near_ids: dict[int, list[int]] = {}
    for one, indices in zip(new, near, strict=True):
        near_ids[one.id] = [seen[index].id for index in indices if seen[index].id != one.id]
        member = replace(one.member, wanted=(wanted or {}).get(one.id))
        known = [side_of[other] for other in near_ids[one.id] if other in side_of]
        side_of[one.id] = given[one.id] = split.place(member, known)
    return WorkedOut(
        given, {**_copies_of_goods(seen, side_of, near_ids), **_copies_of_defects(seen, side_of)}
    )


def _copies_of_goods(
    seen: Sequence[SidedSample], side_of: Mapping[int, Side], near_ids: Mapping[int, list[int]]
) -> dict[int, int | None]:
    """New goods that nearly are an earlier good of their side, by the earliest one.

    Only new ones are looked for: there are many, and a copy among the normals does no harm.
    """
    original = {
        one.id for one in seen if not (one.is_defect or one.is_removed or one.duplicate_of_id)
    }
    copies: dict[int, int | None] = {}
    for sample_id, near in near_ids.items():
        if sample_id not in original:
            continue
        same = [x for x in near if x in original and side_of[x] is side_of[sample_id]]
        earlier = [other for other in same if other < sample_id]
        if earlier:
            copies[sample_id] = min(earlier)
            original.discard(sample_id)
    return copies


def _copies_of_defects(
    seen: Sequence[SidedSample], side_of: Mapping[int, Side]
) -> dict[int, int | None]:
    """Marks of defects in use that differ from those stored: of near ones the earliest stays."""
    defects = [one for one in seen if one.is_defect and not one.is_removed]
    changed: dict[int, int | None] = {}
    original: set[int] = set()
    for place, (one, near) in enumerate(zip(defects, _near(defects, defects), strict=True)):
        side = side_of[one.id]
        earlier = [x for x in near if x in original and side_of[defects[x].id] is side]
        copy_of = defects[earlier[0]].id if earlier else None
        if copy_of is None:
            original.add(place)
        if copy_of != one.duplicate_of_id:
            changed[one.id] = copy_of
    return changed


def _near(some: Sequence[SidedSample], among: Sequence[SidedSample]) -> list[list[int]]:
    """For each of some its near-duplicates' indices in `among`, rising.

    A picture without features tells nothing of its part: it has none. Otherwise one lens cap would
    tie everything together.
    """
    found = near_duplicates_of_each(
        [one.signature for one in some], [one.signature for one in among]
    )
    return [
        [] if is_flat(one.signature) else indices.tolist()
        for one, indices in zip(some, found, strict=True)
    ]


def _look_at_pictures(place: Place, line_id: int, limit: int | None) -> None:
    left = limit
    while left is None or left > 0:
        with Session(place.engine) as session:
            chunk = CHUNK if left is None else min(CHUNK, left)
            waiting = sides.without_signature(session, line_id, limit=chunk)
        if not waiting:
            return
        found: dict[int, bytes] = {}
        unusable: dict[int, str] = {}
        for sample_id, image_key in waiting:
            try:
                found[sample_id] = signature(decode(place.store.get(image_key)))
            except (ImageMissing, ImageDamaged, ModelError) as exc:
                unusable[sample_id] = f"its picture cannot be used: {exc}"
        with Session(place.engine) as session, session.begin():
            sides.keep_signatures(session, found)
            for sample_id, reason in unusable.items():
                log.warning("sample.unusable", sample=sample_id, reason=reason)
                samples.remove_unusable(session, sample_id, reason)
        left = None if left is None else left - len(waiting)
