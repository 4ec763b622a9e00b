"""Frames of a line that is being taught, on their way into its collection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db import teachings
from db.errors import DbError
from db.lines import get_line
from db.tables import Inspection, Teaching, TeachingState
from ingest.frame import MEDIA_TYPE_SUFFIXES
from models.errors import ImageError
from models.images import decode
from workers.recording import Batch, Quarantined, Recorder
from workers.scoring import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.frame import Frame
    from ingest.stream import Entry
    from workers.context import WorkerContext

log = structlog.get_logger()

#: Verdict's reason on a line without a model.
COLLECTED = "collected to teach the line"
NO_MODEL_YET = "the line is being taught from another camera, and has no model yet"


@dataclass(frozen=True, slots=True)
class FirstFrames:
    """Takes the frames of a line that has no model yet, in the place of an active model."""

    line_id: int
    teaching: Teaching


def first_frames(context: WorkerContext, line: str) -> FirstFrames | None:
    """Who takes the frames of a line without a model; None if no teaching wants them.

    Raises:
        NotFound: if there is no such line.
    """
    with Session(context.engine) as session:
        line_id = get_line(session, line).id
        teaching = teachings.collecting(session, line_id)
    return None if teaching is None else FirstFrames(line_id, teaching)


def collect_first(
    context: WorkerContext,
    line: str,
    taker: FirstFrames,
    readable: Sequence[tuple[Entry, Frame]],
    batch: Batch,
) -> list[Entry]:
    """Collect frames of a line without a model, which get the verdict UNINSPECTED with it.

    Samples and verdicts are one transaction, so an entry that is delivered again finds both or
    neither.

    Args:
        batch: what else became of the entries; is committed too.

    Returns:
        The entries that must stay, since no more frames are wanted.

    Raises:
        StoreError: if a picture cannot be kept.
        DatabaseUnavailable: if the database stays away.
    """
    others = list(batch.uninspected)
    collected: list[tuple[Entry, Frame, str]] = []
    for entry, frame in readable:
        if taker.teaching.camera not in (None, frame.camera):
            others.append(replace(frame, uninspected=NO_MODEL_YET))
        elif refusal := _why_unusable(context, frame):
            batch.quarantined.append(Quarantined(entry, frame, refusal))
        else:
            collected.append((entry, frame, _store_picture(context, frame)))
    # All of them, so that the recorder knows every camera; `add` leaves some out.
    batch.uninspected = others + [frame for _, frame, _ in collected]
    left: list[Entry] = []

    def add(session: Session) -> None:
        left.clear()
        batch.uninspected = list(others)
        for entry, frame, key in collected:
            if _add(session, taker.teaching, frame, key):
                batch.uninspected.append(replace(frame, uninspected=COLLECTED))
            else:
                left.append(entry)

    Recorder(context, line, None, line_id=taker.line_id).commit(batch, first=add)
    return left


def collect_judged(
    context: WorkerContext, line: str, teaching_id: int, version_id: int, frames: Sequence[Frame]
) -> None:
    """Add frames whose verdicts are committed and acknowledged; a failure costs these frames only.

    There are more to come, and no verdict hangs on it.
    """
    try:
        with Session(context.engine) as session:
            teaching = session.get(Teaching, teaching_id)
        if teaching is None or teaching.state != TeachingState.COLLECTING.value:
            return
        wanted = [frame for frame in frames if teaching.camera in (None, frame.camera)]
        keys = [_store_picture(context, frame) for frame in wanted]
        with Session(context.engine) as session, session.begin():
            for frame, key in zip(wanted, keys, strict=True):
                inspection = select(Inspection.id).where(
                    Inspection.frame_id == frame.frame_id,
                    Inspection.model_version_id == version_id,
                )
                if not _add(session, teaching, frame, key, session.scalar(inspection)):
                    break
    except (DbError, SQLAlchemyError) as exc:
        log.warning("teaching.frames_not_collected", line=line, error=str(exc).splitlines()[0])


def _why_unusable(context: WorkerContext, frame: Frame) -> Refused | None:
    """Why nothing can be learned from a frame's picture; None if it can be decoded."""
    try:
        decode(frame.image, max_pixels=context.config.max_image_pixels)
    except ImageError as exc:
        return Refused(exc.reason, str(exc))
    return None


def _store_picture(context: WorkerContext, frame: Frame) -> str:
    return context.store.put(frame.image, MEDIA_TYPE_SUFFIXES[frame.media_type])


def _add(
    session: Session,
    teaching: Teaching,
    frame: Frame,
    image_key: str,
    inspection_id: int | None = None,
) -> bool:
    """Add a frame to the collection; False if no more are wanted."""
    return teachings.add_frame(
        session,
        teaching,
        frame_id=frame.frame_id,
        image_key=image_key,
        part_id=frame.part_id,
        lot_id=frame.lot_id,
        inspection_id=inspection_id,
    )
