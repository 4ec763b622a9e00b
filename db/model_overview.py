"""A line's model versions as a page lists them: what each was trained on, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from db.tables import ModelVersion, SnapshotItem, SnapshotUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from db.tables import Line

MAX_VERSIONS = 100


class VersionState(StrEnum):
    """What a version is to its line."""

    #: It scores.
    ACTIVE = "active"
    #: It scores the same frames beside the active one.
    SHADOW = "shadow"
    #: It passed its gate, and does not score yet.
    CANDIDATE = "candidate"
    FAILED_GATE = "failed gate"
    #: Older than the active one: to roll back to.
    EARLIER = "earlier"
    #: Newer than the active one, and never compared on the golden set.
    NOT_COMPARED = "not compared"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class VersionOverview:
    """A version in the list."""

    version: ModelVersion
    state: VersionState
    #: Frames of its snapshot by use; None: it was not trained here.
    trained_on: Mapping[str, int] | None

    def count(self, *uses: SnapshotUse) -> int:
        """Frames of its snapshot that have one of these uses."""
        return sum((self.trained_on or {}).get(use.value, 0) for use in uses)


def list_overviews(
    session: Session, line: Line, *, limit: int = MAX_VERSIONS
) -> list[VersionOverview]:
    """A line's newest versions, newest first."""
    query = select(ModelVersion).where(ModelVersion.line_id == line.id)
    versions = list(session.scalars(query.order_by(ModelVersion.number.desc()).limit(limit)))
    return _overviews(session, line, versions)


def get_overview(session: Session, line: Line, version_id: int) -> VersionOverview:
    """One version of a line; sqlalchemy.exc.NoResultFound if there is none."""
    (found,) = _overviews(session, line, [session.get_one(ModelVersion, version_id)])
    return found


def _overviews(
    session: Session, line: Line, versions: Sequence[ModelVersion]
) -> list[VersionOverview]:
    counts = count_items(session, [one.snapshot_id for one in versions if one.snapshot_id])
    active = None
    if line.active_model_version_id is not None:
        active = session.get_one(ModelVersion, line.active_model_version_id).number
    return [
        VersionOverview(
            version=one,
            state=state_of(line, one, active),
            trained_on=None if one.snapshot_id is None else counts.get(one.snapshot_id, {}),
        )
        for one in versions
    ]


def state_of(line: Line, version: ModelVersion, active_number: int | None) -> VersionState:
    """What a version is to its line, of which the version `active_number` scores."""
    if version.id == line.active_model_version_id:
        return VersionState.ACTIVE
    if version.retired_at is not None:
        return VersionState.RETIRED
    if version.id == line.shadow_model_version_id:
        return VersionState.SHADOW
    if version.has_passed_gate is False:
        return VersionState.FAILED_GATE
    if active_number is not None and version.number < active_number:
        return VersionState.EARLIER
    return VersionState.CANDIDATE if version.has_passed_gate else VersionState.NOT_COMPARED


def count_items(session: Session, snapshot_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """How many frames of each use the snapshots hold, by snapshot and use."""
    found: dict[int, dict[str, int]] = {}
    query = (
        select(SnapshotItem.snapshot_id, SnapshotItem.use, func.count())
        .where(SnapshotItem.snapshot_id.in_(set(snapshot_ids)))
        .group_by(SnapshotItem.snapshot_id, SnapshotItem.use)
    )
    for snapshot_id, use, count in session.execute(query):
        found.setdefault(snapshot_id, {})[use] = count
    return found
