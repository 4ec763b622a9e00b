"""What the Quality page reads, kept a short while: the same question costs the database once.

Three parts, so that another chart of the same days does not read all of them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.quality.drift import SAMPLE, Reference, Scores
from dashboard.quality.workload import Workload
from db import inspections, quality, review_work
from db.model_versions import active_version
from db.quality import Window
from db.tables import ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from db.inspections import VerdictCounts
    from db.quality import ReviewedParts
    from db.tables import Camera, Line

#: Seconds an answer is kept. New frames and reviews show up that late at most.
KEPT_S = 30
MAX_KEPT = 32


@dataclass(frozen=True, slots=True)
class Scope:
    """A line, or some of its cameras."""

    line_id: int
    line: str
    camera_ids: tuple[int, ...]
    #: None: all of the line's.
    camera: str | None
    audit_rate: float
    #: Frames dropped since the line's stream began; there is no record of when.
    dropped: int


@dataclass(frozen=True)
class People:
    """What people said and did."""

    reviewed: list[ReviewedParts]
    waiting: Mapping[ReviewQueue, int]
    quarantined: int
    work: Workload


def scope_of(line: Line, cameras: list[Camera], chosen: str | None) -> Scope:
    """The line's cameras, or the chosen one."""
    within = [camera for camera in cameras if chosen in (None, camera.name)]
    return Scope(
        line.id,
        line.name,
        tuple(camera.id for camera in within),
        chosen,
        line.audit_rate,
        sum(camera.frames_dropped for camera in within),
    )


def verdicts(reads: Session, scope: Scope, windows: tuple[Window, ...]) -> list[VerdictCounts]:
    """Verdicts of each window."""
    return _verdicts(reads, _place(reads), scope.camera_ids, windows)


def total(reads: Session, scope: Scope, windows: tuple[Window, ...]) -> VerdictCounts:
    """Verdicts of all windows together."""
    counts = verdicts(reads, scope, windows)
    return inspections.sum_counts({str(number): one for number, one in enumerate(counts)})


def people(reads: Session, scope: Scope, windows: tuple[Window, ...]) -> People:
    """Reviews of what was inspected in the windows, and the work done in them."""
    return _people(reads, _place(reads), scope.line_id, scope.camera_ids, windows)


def scores(
    reads: Session,
    scope: Scope,
    windows: tuple[Window, ...],
    before: tuple[Window, ...],
    reference: Reference,
    counts: tuple[VerdictCounts, VerdictCounts],
) -> Scores | None:
    """Scores of the active version now and in the reference; None if no version is active.

    Args:
        counts: of the windows and of those before.
    """
    version = active_version(reads, scope.line)
    if version is None:
        return None
    now, then = (min(1.0, SAMPLE / max(one.inspected, 1)) for one in counts)
    samples = _scores(
        reads, _place(reads), scope.camera_ids, version.id, version.created_at, windows, before,
        reference is Reference.FIRST, (now, then),
    )  # fmt: skip
    return Scores(*samples, version.review_threshold, version.reject_threshold, version.number)


@st.cache_data(max_entries=MAX_KEPT, ttl=KEPT_S, show_spinner=False)
def _verdicts(
    _reads: Session, place: str, camera_ids: tuple[int, ...], windows: tuple[Window, ...]
) -> list[VerdictCounts]:
    return quality.count_verdicts(_reads, camera_ids, windows)


@st.cache_data(max_entries=MAX_KEPT, ttl=KEPT_S, show_spinner=False)
def _people(
    _reads: Session,
    place: str,
    line_id: int,
    camera_ids: tuple[int, ...],
    windows: tuple[Window, ...],
) -> People:
    waiting = quality.count_waiting(_reads, line_id, camera_ids, windows)
    return People(
        quality.count_reviewed(_reads, camera_ids, windows),
        waiting,
        quality.count_quarantined(_reads, line_id, camera_ids, windows),
        Workload(
            review_work.work_by_reviewer(_reads, camera_ids, windows),
            review_work.count_second_looks(_reads, camera_ids, windows),
            review_work.delays_s(_reads, camera_ids, windows),
            waiting[ReviewQueue.DISAGREEMENT],
        ),
    )


@st.cache_data(max_entries=MAX_KEPT, ttl=KEPT_S, show_spinner=False)
def _scores(
    _reads: Session,
    place: str,
    camera_ids: tuple[int, ...],
    version_id: int,
    since: datetime,
    windows: tuple[Window, ...],
    before: tuple[Window, ...],
    is_first: bool,
    shares: tuple[float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # The limit is far from what is drawn: it would cut off the latest scores only.
    now, then = shares
    if is_first:
        first = quality.first_scores(_reads, camera_ids, version_id, since=since, limit=SAMPLE)
        reference = first.scores
        if first.until is not None:
            # The reference's own frames would hide a drift.
            windows = tuple(
                Window(max(one.start, first.until), one.end)
                for one in windows
                if one.end > first.until
            )
    else:
        reference = quality.sample_scores(
            _reads, camera_ids, version_id, before, share=then, limit=2 * SAMPLE
        )
    present = quality.sample_scores(
        _reads, camera_ids, version_id, windows, share=now, limit=2 * SAMPLE
    )
    return np.array(reference, np.float64), np.array(present, np.float64)


def _place(reads: Session) -> str:
    """Tells databases apart."""
    return str(reads.get_bind().engine.url)
