"""The demo's books: every frame that was sent, and every verdict the database has for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sqlalchemy import func, select

from db.tables import Inspection, QuarantinedFrame
from models.metrics import image_auroc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from models.datasets import Sample

#: Rows fetched in one go.
PAGE_ROWS = 5_000


class VerdictRow(NamedTuple):
    """What the books need of an inspection."""

    id: int
    frame_id: UUID
    verdict: str
    score: float | None
    captured_at: datetime
    recorded_at: datetime


@dataclass
class Ledger:
    """Frames without a verdict are remembered one by one, the rest as counts: memory stays flat."""

    sent: int = 0
    #: Frames with a verdict.
    judged: int = 0
    #: Frames with a score; the others were reported as uninspected.
    scored: int = 0
    #: Further rows for a frame that had its verdict.
    duplicates: int = 0
    by_verdict: dict[str, int] = field(default_factory=dict)
    first_captured_at: datetime | None = None
    first_recorded_at: datetime | None = None
    last_recorded_at: datetime | None = None
    _open: dict[UUID, Sample] = field(default_factory=dict)
    #: Name of each part -> whether it is defective, and its latest score.
    _scores: dict[str, tuple[bool, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def enter(self, frame_id: UUID, sample: Sample) -> None:
        """A frame is about to be sent."""
        with self._lock:
            self._open[frame_id] = sample

    def count_sent(self) -> None:
        """A frame is in the stream."""
        with self._lock:
            self.sent += 1

    @property
    def lost(self) -> int:
        """Frames sent that have no verdict (yet)."""
        return max(self.sent - self.judged, 0)

    @property
    def image_auroc(self) -> float | None:
        """Of the latest score of each part, against what is known of it."""
        if not self._scores:
            return None
        defective, scores = zip(*self._scores.values(), strict=True)
        return image_auroc(np.array(scores, dtype=np.float32), np.array(defective))

    @property
    def verdicts_per_s(self) -> float | None:
        """Verdicts by the time from the first capture to the last verdict."""
        if self.first_captured_at is None or self.last_recorded_at is None:
            return None
        seconds = (self.last_recorded_at - self.first_captured_at).total_seconds()
        return self.judged / seconds if seconds > 0 else None

    def settle(self, rows: Sequence[VerdictRow]) -> None:
        """Book the verdicts that came since the last time."""
        with self._lock:
            for row in rows:
                self._settle(row)

    def _settle(self, row: VerdictRow) -> None:
        sample = self._open.pop(row.frame_id, None)
        if sample is None:
            self.duplicates += 1
            return
        self.judged += 1
        self.by_verdict[row.verdict] = self.by_verdict.get(row.verdict, 0) + 1
        if row.score is not None:
            self.scored += 1
            self._scores[sample.name] = (sample.is_anomalous, row.score)
        self.first_captured_at = min(self.first_captured_at or row.captured_at, row.captured_at)
        self.first_recorded_at = min(self.first_recorded_at or row.recorded_at, row.recorded_at)
        self.last_recorded_at = max(self.last_recorded_at or row.recorded_at, row.recorded_at)


class VerdictReader:
    """Reads a line's new inspections into the books, from where it stood when this was made."""

    def __init__(self, session: Session, line_id: int) -> None:
        """Begin after the line's latest rows."""
        self._line_id = line_id
        self._last_id = self._latest(session, Inspection)
        self._last_quarantined_id = self._latest(session, QuarantinedFrame)

    def _latest(self, session: Session, table: type[Inspection | QuarantinedFrame]) -> int:
        query = select(func.max(table.id)).where(table.line_id == self._line_id)
        return session.scalar(query) or 0

    def read(self, session: Session, ledger: Ledger) -> tuple[int, bool]:
        """Book what is new, one page at most; how many rows, and whether there may be more."""
        query = (
            select(
                Inspection.id,
                Inspection.frame_id,
                Inspection.verdict,
                Inspection.score,
                Inspection.captured_at,
                Inspection.recorded_at,
            )
            .where(Inspection.line_id == self._line_id, Inspection.id > self._last_id)
            .order_by(Inspection.id)
            .limit(PAGE_ROWS)
        )
        rows = [VerdictRow(*row) for row in session.execute(query)]
        session.rollback()  # the next look must see what was committed since
        if rows:
            self._last_id = rows[-1].id
        ledger.settle(rows)
        return len(rows), len(rows) == PAGE_ROWS

    def quarantined(self, session: Session) -> int:
        """How many frames went to quarantine instead of getting a verdict."""
        query = select(func.count()).where(
            QuarantinedFrame.line_id == self._line_id,
            QuarantinedFrame.id > self._last_quarantined_id,
        )
        count = session.scalar(query) or 0
        session.rollback()
        return count
