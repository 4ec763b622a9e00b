"""From outcomes to rows: one transaction a batch.

Images are stored first, so that a row never names an image that is not there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import cv2
import numpy as np
import structlog
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from db import inspections, quarantine
from db.errors import DatabaseUnavailable, StoreError
from db.lines import get_or_add_camera
from db.tables import Verdict, utc_now
from ingest.frame import MEDIA_TYPE_SUFFIXES
from models.maps import encode_map

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from db.store import ImageStore
    from ingest.frame import Frame
    from ingest.stream import Entry
    from workers.active_models import ActiveModel
    from workers.context import WorkerContext
    from workers.scoring import Judged, Refused

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An entry that goes to quarantine; `frame` is None where the message could not be read."""

    entry: Entry
    frame: Frame | None
    refusal: Refused


@dataclass(slots=True)
class Batch:
    """What became of some entries of one line, to be committed as one."""

    judged: list[tuple[Frame, Judged]] = field(default_factory=list)
    uninspected: list[Frame] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)


class Thresholds(Protocol):
    """What gives verdicts: a model that scores, or one in the shadow."""

    @property
    def review_threshold(self) -> float:
        """From here a person looks."""
        ...

    @property
    def reject_threshold(self) -> float:
        """From here the part is rejected."""
        ...


def verdict_of(score: float, model: Thresholds) -> Verdict:
    """The verdict on a raw image score; a score at a threshold counts as above it."""
    if score >= model.reject_threshold:
        return Verdict.REJECT
    return Verdict.REVIEW if score >= model.review_threshold else Verdict.PASS


def drawn_for_audit(frame_id: UUID, rate: float) -> bool:
    """Whether a PASS frame goes to blind review.

    Decided by the random bits of its UUIDv7, so a frame scored twice is drawn, or not, both times.
    """
    return (frame_id.int & 0xFFFFFFFF) / 2**32 < rate


class Recorder:
    """Commits batches of one line under one model version, or of a line that has none yet."""

    def __init__(
        self, context: WorkerContext, line: str, model: ActiveModel | None, *, line_id: int = 0
    ) -> None:
        """Record for `model`; without one, for the line `line_id`, whose batches hold no scores."""
        self._context = context
        self._line = line
        self._scored_by = model
        self._line_id = line_id if model is None else model.line_id

    @property
    def _model(self) -> ActiveModel:
        assert self._scored_by is not None  # noqa: S101 - without a model nothing is judged
        return self._scored_by

    def commit(self, batch: Batch, first: Callable[[Session], None] | None = None) -> None:
        """Store images and write every row of `batch` in one transaction.

        Rows that are already there stay as they are.

        Args:
            first: done at the transaction's beginning; may change what is in `batch`, and is called
                again when the transaction is tried again.

        Raises:
            DatabaseUnavailable: if the database stays away for `commit_patience_s`.
        """
        self._know_cameras(batch)
        images = _KeptImages(self._context.store, self._line)
        keep = [self._keep_image(frame, judged, images) for frame, judged in batch.judged]
        bad = [images.put(q.entry.fields.get(b"image", b""), ".bin") for q in batch.quarantined]
        now = utc_now()

        def write(session: Session) -> None:
            if first is not None:
                first(session)
            rows = [
                self._judged_row(frame, judged, kept, now)
                for (frame, judged), kept in zip(batch.judged, keep, strict=True)
            ]
            rows += [self._uninspected_row(frame, now) for frame in batch.uninspected]
            if rows:
                inspections.record(session, rows)
            for quarantined, image_key in zip(batch.quarantined, bad, strict=True):
                self._quarantine(session, quarantined, image_key)

        try:
            commit_patiently(self._context, write)
        except IntegrityError:
            # Cameras that are known here but not there: a backup was restored meanwhile. The
            # frames are tried again.
            self._context.camera_ids.clear()
            raise

    def _judged_row(
        self,
        frame: Frame,
        judged: Judged,
        kept: dict[str, Any],
        now: datetime,
    ) -> dict[str, Any]:
        return {
            **self._frame_row(frame, now),
            "model_version_id": self._model.version_id,
            "score_ms": judged.score_ms,
            "score": judged.score,
            "reason": None,
            "width_px": judged.width_px,
            "height_px": judged.height_px,
            **kept,
        }

    def _uninspected_row(self, frame: Frame, now: datetime) -> dict[str, Any]:
        nothing = ["model_version_id", "score_ms", "score", "audit_probability", "image_key"]
        nothing += ["map_key", "map_low", "map_high", "width_px", "height_px"]
        return {
            **self._frame_row(frame, now),
            **dict.fromkeys(nothing),
            "verdict": Verdict.UNINSPECTED.value,
            "reason": frame.uninspected,
        }

    def _frame_row(self, frame: Frame, now: datetime) -> dict[str, Any]:
        return {
            "frame_id": frame.frame_id,
            "line_id": self._line_id,
            "camera_id": self._context.camera_ids[self._line_id, frame.camera],
            "sequence": frame.sequence,
            "part_id": frame.part_id,
            "lot_id": frame.lot_id,
            "captured_at": frame.captured_at,
            "recorded_at": now,
        }

    def _know_cameras(self, batch: Batch) -> None:
        """Add cameras that are new, in a transaction of their own: what is cached is committed."""
        frames = [*(frame for frame, _ in batch.judged), *batch.uninspected]
        keys = {(self._line_id, frame.camera) for frame in frames}
        for key in keys - self._context.camera_ids.keys():
            add = partial(_camera_id, line_id=key[0], name=key[1])
            self._context.camera_ids[key] = commit_patiently(self._context, add)

    def _keep_image(self, frame: Frame, judged: Judged, images: _KeptImages) -> dict[str, Any]:
        """The verdict, and the stored picture and map where the frame is worth keeping."""
        verdict = verdict_of(judged.score, self._model)
        is_pass = verdict is Verdict.PASS
        drawn = is_pass and drawn_for_audit(frame.frame_id, self._model.audit_rate)
        row: dict[str, Any] = {
            "verdict": verdict.value,
            "audit_probability": self._model.audit_rate if drawn else None,
            "image_key": None,
            "map_key": None,
            "map_low": None,
            "map_high": None,
        }
        if is_pass and not drawn and not self._is_time_to_keep(frame.camera):
            return row
        row["image_key"] = images.put(frame.image, MEDIA_TYPE_SUFFIXES[frame.media_type])
        if judged.anomaly_map is not None:
            anomaly_map = judged.anomaly_map()
            height, width = anomaly_map.shape
            shrink = min(1.0, self._context.config.map_side_px / max(height, width))
            size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
            small = cv2.resize(anomaly_map, size, interpolation=cv2.INTER_AREA)
            encoded = encode_map(np.asarray(small, np.float32))
            row["map_key"] = images.put(encoded.png, ".png")
            row["map_low"], row["map_high"] = encoded.low, encoded.high
        return row

    def _is_time_to_keep(self, camera: str) -> bool:
        interval_s = self._context.config.pass_image_interval_s
        key, now = (self._line_id, camera), time.monotonic()
        if now - self._context.pass_kept_at.get(key, -interval_s) < interval_s:
            return False
        self._context.pass_kept_at[key] = now
        return True

    def _quarantine(self, session: Session, item: Quarantined, image_key: str | None) -> None:
        frame = item.frame
        quarantine.record(
            session,
            frame_key=str(frame.frame_id) if frame else f"{self._line}:{item.entry.entry_id}",
            line_id=self._line_id,
            camera=frame.camera if frame else None,
            reason=item.refusal.reason,
            detail=item.refusal.detail,
            deliveries=item.entry.deliveries,
            image_key=image_key,
            captured_at=frame.captured_at if frame else None,
        )
        log.warning("frame.quarantined", line=self._line, reason=item.refusal.reason)


def _camera_id(session: Session, line_id: int, name: str) -> int:
    return get_or_add_camera(session, line_id, name).id


class _KeptImages:
    """Puts images into the store; a store that fails costs the picture, never the verdict."""

    def __init__(self, store: ImageStore, line: str) -> None:
        self._store = store
        self._line = line
        self._failed = False

    def put(self, data: bytes, suffix: str) -> str | None:
        if not data or self._failed:
            return None
        try:
            return self._store.put(data, suffix)
        except StoreError as exc:
            self._failed = True  # once a batch: a store that hangs must not cost a batch N times
            log.error("store.failed", line=self._line, error=str(exc))
            return None


def commit_patiently(context: WorkerContext, work: Callable[[Session], T]) -> T:
    """Run `work` in a transaction; while the database is away, try again for some time."""

    def once() -> T:
        context.beat()  # to wait for the database is not to hang
        with Session(context.engine) as session, session.begin():
            return work(session)

    patience = stop_after_delay(context.config.commit_patience_s)
    retrying = Retrying(
        retry=retry_if_exception_type((DatabaseUnavailable, OperationalError)),
        wait=wait_random_exponential(multiplier=0.05, max=2.0),
        stop=lambda state: context.should_stop() or patience(state),
        reraise=True,
    )
    return retrying(once)
