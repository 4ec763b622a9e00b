"""What one retraining is to do, as its row and its line say it at the beginning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from db.retrainings import get_retraining
from db.tables import Line, ModelVersion
from ingest.frame import NAME
from workers.retraining.gate import Budgets

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Detectors that learn from known defects; the others take good parts only.
LEARN_FROM_DEFECTS = frozenset({"bgad"})


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that scores the line when the retraining begins."""

    id: int
    number: int
    folder: Path
    manifest_sha256: str
    review: float
    reject: float


@dataclass(frozen=True, slots=True)
class Task:
    """One retraining."""

    id: int
    line_id: int
    line_name: str
    detector: str
    #: Learn from this teaching's frames only; None: from all of the line.
    teaching_id: int | None
    requested_by: str
    budgets: Budgets
    #: None: the line has no model yet.
    champion: Champion | None

    @property
    def folder_name(self) -> str:
        """The line's folder among the models; its name, unless no folder may be called so."""
        return self.line_name if NAME.fullmatch(self.line_name) else f"line-{self.line_id}"

    @property
    def learns_from_defects(self) -> bool:
        """Whether it needs known defects."""
        return self.teaching_id is None and self.detector in LEARN_FROM_DEFECTS


def read_task(session: Session, retraining_id: int) -> Task:
    """What the retraining is to do."""
    row = get_retraining(session, retraining_id)
    line = session.get_one(Line, row.line_id)
    return Task(
        id=row.id,
        line_id=line.id,
        line_name=line.name,
        detector=row.detector,
        teaching_id=row.teaching_id,
        requested_by=row.requested_by,
        budgets=Budgets(line.false_reject_budget, line.latency_budget_ms),
        champion=_champion(session, line),
    )


def _champion(session: Session, line: Line) -> Champion | None:
    if line.active_model_version_id is None:
        return None
    active = session.get_one(ModelVersion, line.active_model_version_id)
    return Champion(
        id=active.id,
        number=active.number,
        folder=Path(active.artifact_path),
        manifest_sha256=active.manifest_sha256,
        # They may have been set since it was trained.
        review=active.review_threshold,
        reject=active.reject_threshold,
    )
