"""Bring the labelled data of a folder into a line: all of it, or nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import audit, samples, sides
from db.access import require
from db.defect_classes import add_class, list_classes
from db.lines import get_line
from db.masks import encode_mask
from db.sides import SidedSample
from db.splitting import Member
from db.tables import Role, Sample, SampleSource, Side
from ingest.frame import MEDIA_TYPE_SUFFIXES
from linewatch.errors import LabelledDataError
from linewatch.labelled.reading import Found, read_folder, read_mask
from models.errors import DatasetError
from models.images import decode, media_type
from workers.labelling import TRIES, work_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from sqlalchemy import Engine

    from db.access import Actor
    from db.store import ImageStore
    from models.detector import Progress
    from workers.labelling import WorkedOut


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to."""

    #: Side -> label -> how many samples are new.
    new: Mapping[str, Mapping[str, int]]
    #: Pictures that were samples of the line already.
    known: int
    #: Pictures that lay in the folder a second time.
    twice: int
    #: Classes that the line did not offer before.
    classes: Sequence[str]


def import_folder(
    engine: Engine,
    store: ImageStore,
    line_name: str,
    root: Path,
    *,
    actor: Actor,
    split_anew: bool = False,
    golden_share: float,
    max_pixels: int,
    progress: Progress,
) -> Imported:
    """Make samples of a folder's pictures; those that are there already stay as they are.

    `train` is the training side and `test` the golden one; a picture that belongs with samples of
    the other side, by part, lot or near-duplicate, is used for neither.

    Args:
        split_anew: draw the sides as for reviewed frames instead.
        golden_share: share of the samples that models are judged by, where sides are drawn.
        max_pixels: pictures that declare more are refused before they are decoded.

    Raises:
        Forbidden: if `actor` is no engineer.
        NotFound: if there is no such line.
        DatasetError: naming the file, if one cannot be used; nothing is imported.
        LabelledDataError: if a picture is a sample of the line with another label.
        StoreError: if the image store cannot be used.
    """
    with Session(engine) as session:
        require(session, actor, Role.ENGINEER)
        line_id = get_line(session, line_name).id
    contents = read_folder(root, max_pixels=max_pixels, progress=progress)
    keys: dict[UUID, tuple[str, str | None]] = {}
    for _ in range(TRIES):
        with Session(engine) as session:
            new = _new(session, line_id, contents.found)
            seen = sides.looked_at(session, line_id)
        found = _worked_out(seen, new, golden_share, split_anew=split_anew)
        missing = [one for one in new if one.frame_id not in keys]
        for done, one in enumerate(missing):
            progress("store", done, len(missing))
            keys[one.frame_id] = _stored(store, one)
        with Session(engine) as session, session.begin():
            if not sides.lock_if_unchanged(session, line_id, seen):
                continue
            classes = _add_classes(session, line_name, new, actor)
            counts = _add_samples(session, line_id, new, found, keys, first_id=_next_id(seen))
            known = len(contents.found) - len(new)
            if new:
                audit.append(
                    session,
                    actor=actor,
                    action="samples.imported",
                    subject=f"line:{line_name}",
                    folder=str(root),
                    classes=classes,
                    **{side: dict(labels) for side, labels in counts.items()},
                )
            return Imported(counts, known, contents.twice, classes)
    raise LabelledDataError(
        f"the samples of line {line_name!r} change all the time: nothing was imported, try again"
    )


def _new(session: Session, line_id: int, found: Sequence[Found]) -> list[Found]:
    """The pictures that are no samples yet; raises LabelledDataError where labels contradict."""
    query = select(Sample.frame_id, Sample.image_key, Sample.label, Sample.defect_class).where(
        Sample.line_id == line_id
    )
    labels: defaultdict[object, list[tuple[str, str | None]]] = defaultdict(list)
    for frame_id, image_key, label, defect_class in session.execute(query):
        labels[frame_id].append((label, defect_class))
        labels[PurePosixPath(image_key).stem].append((label, defect_class))
    new = []
    for one in found:
        known = labels.get(one.frame_id) or labels.get(one.sha256)
        if known is None:
            new.append(one)
        elif (one.label.value, one.defect_class) not in known:
            raise LabelledDataError(
                f"{one.path} is a sample of the line already, as {known[0][1] or known[0][0]}, and "
                f"lies here as {one.defect_class or one.label.value}: nothing was imported. Move "
                "it, or review its part again"
            )
    return new


def _worked_out(
    seen: Sequence[SidedSample], new: Sequence[Found], golden_share: float, *, split_anew: bool
) -> WorkedOut:
    """Sides and duplicate marks, new samples numbered on from those that were seen."""
    first_id = _next_id(seen)
    numbered = [
        SidedSample(
            id=number,
            signature=one.signature,
            side=None,
            is_removed=False,
            duplicate_of_id=None,
            member=Member(
                one.frame_id,
                SampleSource.IMPORT.value,
                one.label.value,
                one.defect_class,
                one.part_id,
                one.lot_id,
            ),
        )
        for number, one in enumerate(new, first_id)
    ]
    wanted = {} if split_anew else {n: one.side for n, one in enumerate(new, first_id)}
    # Samples that wait for their side are left to the schedule, which must find them as they are.
    known = [one for one in seen if one.side is not None]
    return work_out([*known, *numbered], golden_share, wanted=wanted)


def _next_id(seen: Sequence[SidedSample]) -> int:
    return max((one.id for one in seen), default=0) + 1


def _stored(store: ImageStore, one: Found) -> tuple[str, str | None]:
    """Keys of picture and mask; raises DatasetError if the picture has changed meanwhile."""
    data = one.path.read_bytes()
    key = store.put(data, MEDIA_TYPE_SUFFIXES[media_type(data)])
    if one.sha256 not in key:
        raise DatasetError(f"{one.path} was changed during the import: try again")
    if one.mask_path is None:
        return key, None
    marked = read_mask(one.mask_path, decode(data), one.path)
    return key, store.put(encode_mask(marked), ".png")


def _add_classes(session: Session, line_name: str, new: Sequence[Found], actor: Actor) -> list[str]:
    line = get_line(session, line_name)
    offered = {known.name for known in list_classes(session, line.id)}
    wanted = dict.fromkeys(one.defect_class for one in new if one.defect_class is not None)
    added = [name for name in wanted if name not in offered]
    for name in added:
        add_class(session, line, name, actor=actor)
    return added


def _add_samples(
    session: Session,
    line_id: int,
    new: Sequence[Found],
    found: WorkedOut,
    keys: Mapping[UUID, tuple[str, str | None]],
    *,
    first_id: int,
) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {side.value: Counter() for side in Side}
    id_of: dict[int, int] = {}
    for number, one in enumerate(new, first_id):
        image_key, mask_key = keys[one.frame_id]
        sample = samples.add(
            session,
            line_id=line_id,
            frame_id=one.frame_id,
            source=SampleSource.IMPORT,
            label=one.label,
            defect_class=one.defect_class,
            image_key=image_key,
            mask_key=mask_key,
            part_id=one.part_id,
            lot_id=one.lot_id,
            signature=one.signature,
            side=found.sides[number],
        )
        id_of[number] = sample.id
        counts[found.sides[number].value][one.label.value] += 1
    duplicates = {
        id_of.get(number, number): None if of is None else id_of.get(of, of)
        for number, of in found.duplicates.items()
    }
    sides.store(session, {}, duplicates)
    return counts
