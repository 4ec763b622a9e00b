"""Teaching a line: the next frames of a camera are collected as good, looked over, and trained on.

Until a person has looked them over, no training uses them (`db.sample_pools`). A teaching goes
through its states in order; one whose training ends without a model is looked over again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update
from sqlalchemy.orm import aliased

from db import audit, samples
from db.access import require
from db.errors import Conflict, NotFound
from db.inserting import insert_if_absent
from db.least_samples import FIRST_MODEL
from db.locking import lock
from db.tables import (
    Line,
    Retraining,
    RetrainingReason,
    Role,
    Sample,
    SampleLabel,
    SampleSource,
    Teaching,
    TeachingState,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy.orm import Session

    from db.access import Actor

#: By name; those of `models.detector`, which db does not import.
DETECTORS = ("bgad", "cutpaste", "cutswap", "patchcore", "simplenet")
#: What a first model's snapshot must hold at least.
MIN_FRAMES = FIRST_MODEL.goods
MAX_FRAMES = 5000
#: As the index of open teachings says it.
OPEN = (
    TeachingState.COLLECTING.value,
    TeachingState.LOOKING_OVER.value,
    TeachingState.TRAINING.value,
)
THROWN_OUT = "thrown out when the frames were looked over"
TAKEN_BACK = "taken back when the frames were looked over"
CANCELLED = "the teaching was cancelled"


@dataclass(frozen=True, slots=True)
class Collection:
    """How many frames of a teaching stay and how many were thrown out."""

    kept: int
    thrown_out: int


def start_teaching(
    session: Session,
    line: Line,
    *,
    frames: int,
    camera: str | None = None,
    detector: str,
    actor: Actor,
) -> Teaching:
    """Collect the line's next frames as good, for a first model or a fresh one.

    Args:
        frames: how many; `MIN_FRAMES` to `MAX_FRAMES`.
        camera: the one to collect from; None: all of the line.
        detector: what is trained on them, one of `DETECTORS`.

    Raises:
        Forbidden: if `actor` is no engineer.
        Conflict: if the line is being taught already.
    """
    require(session, actor, Role.ENGINEER)
    if not MIN_FRAMES <= frames <= MAX_FRAMES:
        raise ValueError(f"{frames} frames: collect {MIN_FRAMES} to {MAX_FRAMES}")
    if detector not in DETECTORS:
        raise ValueError(f"there is no detector {detector!r}: choose one of {', '.join(DETECTORS)}")
    line = lock(session, Line, line.id)
    running = open_teaching(session, line.id)
    if running is not None:
        raise Conflict(
            f"line {line.name!r} is being taught since {running.started_at:%Y-%m-%d %H:%M} UTC by "
            f"{running.started_by}: finish or cancel that first"
        )
    teaching = Teaching(
        line_id=line.id,
        camera=camera,
        frames_wanted=frames,
        detector=detector,
        started_by=actor.name,
    )
    session.add(teaching)
    session.flush()
    _tell(session, "teaching.started", teaching, actor, frames=frames, camera=camera)
    return teaching


def open_teaching(session: Session, line_id: int) -> Teaching | None:
    """The line's teaching that is not over; None if there is none."""
    query = select(Teaching).where(Teaching.line_id == line_id, Teaching.state.in_(OPEN))
    return session.scalar(query.execution_options(populate_existing=True))


def require_open(session: Session, line: Line) -> Teaching:
    """The line's teaching that is not over; raises NotFound if there is none."""
    found = open_teaching(session, line.id)
    if found is None:
        raise NotFound(f"line {line.name!r} is not being taught any more: load the page again")
    return found


def latest_teaching(session: Session, line_id: int) -> Teaching | None:
    """The line's newest teaching, over or not; None if it was never taught."""
    query = select(Teaching).where(Teaching.line_id == line_id).order_by(Teaching.id.desc())
    return session.scalar(query.limit(1).execution_options(populate_existing=True))


def collecting(session: Session, line_id: int) -> Teaching | None:
    """The teaching that wants frames of the line; None if none does. Asked with every batch."""
    teaching = open_teaching(session, line_id)
    if teaching is None or teaching.state != TeachingState.COLLECTING.value:
        return None
    return teaching


def add_frame(
    session: Session,
    teaching: Teaching,
    *,
    frame_id: UUID,
    image_key: str,
    part_id: str | None,
    lot_id: str | None,
    inspection_id: int | None = None,
) -> bool:
    """Add a frame to the collection; with the last one wanted, a person may look them over.

    Safe for several workers at once, and for frames that are delivered again. It holds the
    teaching's row until the transaction ends: call it after the batch's verdicts are written.

    Returns:
        Whether the frame is in the collection: now, or since an earlier delivery. False when no
        more frames are wanted.
    """
    kept = select(Sample.teaching_id).where(
        Sample.line_id == teaching.line_id, Sample.frame_id == frame_id
    )
    now = lock(session, Teaching, teaching.id)
    if now.state != TeachingState.COLLECTING.value:
        return session.scalar(kept) == now.id
    insert = insert_if_absent(session, Sample).values(
        line_id=now.line_id,
        frame_id=frame_id,
        inspection_id=inspection_id,
        teaching_id=now.id,
        source=SampleSource.TEACHING.value,
        label=SampleLabel.GOOD.value,
        image_key=image_key,
        part_id=part_id,
        lot_id=lot_id,
    )
    if session.scalar(insert.returning(Sample.id)) is None:
        return session.scalar(kept) == now.id
    now.frames_collected += 1
    if now.frames_collected >= now.frames_wanted:
        now.state = TeachingState.LOOKING_OVER.value
    session.flush()
    return True


def stop_collecting(session: Session, teaching: Teaching, *, actor: Actor) -> Teaching:
    """Look over the frames there are, without waiting for the rest.

    Raises:
        Forbidden: if `actor` is no engineer.
        Conflict: if it is not collecting, or has fewer than `MIN_FRAMES`.
    """
    require(session, actor, Role.ENGINEER)
    teaching = _in_state(session, teaching, TeachingState.COLLECTING)
    if teaching.frames_collected < MIN_FRAMES:
        raise Conflict(
            f"only {teaching.frames_collected} frames are collected, and training needs at least "
            f"{MIN_FRAMES}: wait for more"
        )
    teaching.state = TeachingState.LOOKING_OVER.value
    _tell(session, "teaching.stopped", teaching, actor, frames=teaching.frames_collected)
    session.flush()
    return teaching


def frames(
    session: Session, teaching_id: int, *, offset: int = 0, limit: int = 100
) -> list[Sample]:
    """The collected frames in the order they came, those thrown out too."""
    query = select(Sample).where(Sample.teaching_id == teaching_id).order_by(Sample.id)
    return list(session.scalars(query.offset(offset).limit(limit)))


def count_frames(session: Session, teaching_id: int) -> Collection:
    """How many of the collected frames stay."""
    query = select(func.count(), func.count(Sample.removed_at)).where(
        Sample.teaching_id == teaching_id
    )
    every, removed = session.execute(query).one()
    return Collection(kept=every - removed, thrown_out=removed)


def throw_out(session: Session, sample_ids: Iterable[int], *, actor: Actor) -> int:
    """Leave frames out that are not good; returns how many were in until now.

    Raises:
        Forbidden: if `actor` is no engineer.
        NotFound: if a sample is none of a teaching.
        Conflict: if their teaching is not being looked over any more.
    """
    require(session, actor, Role.ENGINEER)
    found = [one for one in _of_open(session, sample_ids) if one.removed_at is None]
    for sample in found:
        samples.remove(session, sample.id, actor=actor, reason=THROWN_OUT)
    return len(found)


def take_back(session: Session, sample_ids: Iterable[int], *, actor: Actor) -> int:
    """Take frames in again that were thrown out; returns how many. Raises as `throw_out` does."""
    require(session, actor, Role.ENGINEER)
    found = [one for one in _of_open(session, sample_ids) if one.removed_at is not None]
    for sample in found:
        samples.restore(session, sample.id, actor=actor, reason=TAKEN_BACK)
    return len(found)


def finish(session: Session, teaching: Teaching, *, actor: Actor) -> Retraining:
    """Train a model on the frames that stay.

    Raises:
        Forbidden: if `actor` is no engineer.
        Conflict: if the frames are not all there or are being trained on already, if too few stay,
            or if another training of the line is open.
    """
    # Not above: retrainings tell teachings when a training ends.
    from db import retrainings

    require(session, actor, Role.ENGINEER)
    line = lock(session, Line, teaching.line_id)
    teaching = _in_state(session, teaching, TeachingState.LOOKING_OVER)
    kept = count_frames(session, teaching.id).kept
    if kept < MIN_FRAMES:
        raise Conflict(
            f"only {kept} frames stay, and training needs at least {MIN_FRAMES}: take some back, "
            "or cancel and collect anew"
        )
    teaching.state = TeachingState.TRAINING.value
    _tell(session, "teaching.finished", teaching, actor, frames=kept)
    session.flush()
    return retrainings.request(
        session,
        line,
        reason=RetrainingReason.TEACHING,
        actor=actor,
        detector=teaching.detector,
        teaching_id=teaching.id,
    )


def latest_training(session: Session, teaching: Teaching) -> Retraining | None:
    """The newest training of a teaching; None if there was none."""
    query = select(Retraining).where(
        Retraining.line_id == teaching.line_id, Retraining.teaching_id == teaching.id
    )
    newest = query.order_by(Retraining.id.desc()).limit(1)
    return session.scalar(newest.execution_options(populate_existing=True))


def training_ended(session: Session, teaching_id: int, *, has_model: bool) -> None:
    """Its training is over: the teaching is done, or its frames are looked over again.

    Called by whoever ends the training, in the same transaction; nothing happens if it was called
    before.
    """
    teaching = lock(session, Teaching, teaching_id)
    if teaching.state != TeachingState.TRAINING.value:
        return
    if has_model:
        teaching.state = TeachingState.DONE.value
        teaching.finished_at = utc_now()
    else:
        teaching.state = TeachingState.LOOKING_OVER.value
    session.flush()


def cancel(session: Session, teaching: Teaching, *, actor: Actor) -> Teaching:
    """End a teaching without a model; its frames are never used.

    Raises:
        Forbidden: if `actor` is no engineer.
        Conflict: if it is over, or being trained.
    """
    require(session, actor, Role.ENGINEER)
    teaching = _in_state(session, teaching, TeachingState.COLLECTING, TeachingState.LOOKING_OVER)
    teaching.state = TeachingState.CANCELLED.value
    teaching.finished_at = utc_now()
    _remove_all(session, teaching, actor)
    _tell(session, "teaching.cancelled", teaching, actor, frames=teaching.frames_collected)
    session.flush()
    return teaching


def _of_open(session: Session, sample_ids: Iterable[int]) -> list[Sample]:
    """The samples, in order, of teachings whose frames may be thrown out now, which are locked."""
    ids = set(sample_ids)
    found = list(session.scalars(select(Sample).where(Sample.id.in_(ids)).order_by(Sample.id)))
    teaching_ids = {one.teaching_id for one in found if one.teaching_id is not None}
    missing = ids.difference(one.id for one in found if one.teaching_id is not None)
    if missing:
        raise NotFound(f"no teaching collected the samples {sorted(missing)}: load the page again")
    for teaching_id in sorted(teaching_ids):
        teaching = session.get_one(Teaching, teaching_id)
        _in_state(session, teaching, TeachingState.COLLECTING, TeachingState.LOOKING_OVER)
    return found


def _remove_all(session: Session, teaching: Teaching, actor: Actor) -> None:
    """Take every frame of a teaching out."""
    of_teaching = select(Sample.id).where(
        Sample.teaching_id == teaching.id, Sample.removed_at.is_(None)
    )
    copy = aliased(Sample)
    # Where frames of others were left out as their near-duplicates, those take their place.
    stood_for_others = select(copy.duplicate_of_id).where(
        copy.duplicate_of_id.in_(of_teaching), copy.teaching_id.is_distinct_from(teaching.id)
    )
    originals = select(Sample.id).where(Sample.id.in_(stood_for_others))
    for sample_id in session.scalars(originals).all():
        samples.remove(session, sample_id, actor=actor, reason=CANCELLED)
    session.execute(
        update(Sample)
        .where(Sample.id.in_(of_teaching))
        .values(removed_at=utc_now(), removed_by=actor.name, removed_reason=CANCELLED)
    )


def _in_state(session: Session, teaching: Teaching, *wanted: TeachingState) -> Teaching:
    """The teaching as it is now, locked; raises Conflict if it is in none of the states."""
    teaching = lock(session, Teaching, teaching.id)
    if teaching.state not in wanted:
        state = teaching.state.replace("_", " ")
        states = " or ".join(one.value.replace("_", " ") for one in wanted)
        hint = (
            "cancel its training first, or wait for its end"
            if teaching.state == TeachingState.TRAINING.value
            else "load the page again"
        )
        raise Conflict(
            f"the teaching started at {teaching.started_at:%Y-%m-%d %H:%M} UTC is in the state "
            f"'{state}', and this needs '{states}': {hint}"
        )
    return teaching


def _tell(
    session: Session, action: str, teaching: Teaching, actor: Actor, **details: object
) -> None:
    line = session.get_one(Line, teaching.line_id)
    audit.append(
        session,
        actor=actor,
        action=action,
        subject=f"line:{line.name}",
        teaching=teaching.id,
        **details,
    )
