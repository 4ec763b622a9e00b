"""A trained and judged model becomes a version, in the transaction that ends its retraining."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from db import retrainings, shadow
from db.access import trusted
from db.model_versions import activate, add_model_version
from db.retrainings import MACHINE
from db.tables import Line, RetrainingState
from db.thresholds import set_thresholds
from models.artifact import MANIFEST_FILE, manifest_sha256
from models.signature import sign
from workers.errors import RetrainingCancelled
from workers.recording import commit_patiently

if TYPE_CHECKING:
    from pathlib import Path

    from db.tables import ModelVersion
    from workers.context import WorkerContext
    from workers.retraining.gate import GateReport
    from workers.retraining.task import Task

MAX_NAME_CHARS = 128


def register(
    context: WorkerContext, task: Task, folder: Path, snapshot_id: int, report: GateReport
) -> None:
    """Make the version, begin what follows its gate, and end the retraining: all or nothing.

    Raises:
        RetrainingCancelled: if it was ended meanwhile. The model's folder is removed then, as after
            any error, unless it is registered or that is not sure.
    """
    if context.training is not None and context.training.signing_key is not None:
        sign(folder, context.training.signing_key)
    manifest: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))

    def work(session: Session) -> None:
        line = session.get_one(Line, task.line_id)
        version = add_model_version(
            session,
            line,
            artifact_path=str(folder.absolute()),
            manifest=manifest,
            manifest_sha256=manifest_sha256(folder),
            actor=trusted(f"retraining for {task.requested_by}"[:MAX_NAME_CHARS]),
            snapshot_id=snapshot_id,
            gate=report.to_json(),
            has_passed_gate=report.has_passed,
        )
        _set_review_threshold(session, version, report)
        message = _what_follows(session, task, line, version, report)
        done, version_id = RetrainingState.DONE, version.id
        if not retrainings.finish(
            session, task.id, done, message=message, model_version_id=version_id
        ):
            # Undoes everything above.
            raise RetrainingCancelled(f"retraining {task.id} was ended while it registered")

    try:
        commit_patiently(context, work)
    except BaseException:
        _forget(context, task, folder)
        raise


def _set_review_threshold(session: Session, version: ModelVersion, report: GateReport) -> None:
    """Score at the threshold that the gate judged, where that is lower than the calibrated one."""
    review = report.candidate["thresholds"]["review"] if report.candidate else None
    if report.champion is None or review is None or review >= version.review_threshold:
        return
    set_thresholds(
        session,
        version,
        review,
        version.reject_threshold,
        actor=MACHINE,
        reason=f"flags as many good golden parts as version {report.champion['number']}",
    )


def _what_follows(
    session: Session, task: Task, line: Line, version: ModelVersion, report: GateReport
) -> str:
    """Begin what follows the gate; returns what to tell people."""
    name = f"version {version.number}"
    if report.has_passed is False:
        return f"{name} did not pass its gate: {'; '.join(report.reasons)}"
    now_active = line.active_model_version_id
    if now_active != (task.champion.id if task.champion else None):
        return f"{name} was compared with a version that scores no more: train again"
    if now_active is None and task.teaching_id is not None:
        # Whoever taught the line asked for its first verdicts.
        activate(session, line, version.number, actor=MACHINE)
        return f"{name} is the line's first model, and scores now"
    if report.has_passed is None:
        return f"{name} could not be compared: {'; '.join(report.reasons)}: activate it by hand"
    if now_active is None:
        return f"{name} passed its gate: the line has no model yet, activate it"
    shadow.start(session, line, version)
    return f"{name} passed its gate, and scores in the shadow now"


def _forget(context: WorkerContext, task: Task, folder: Path) -> None:
    with Session(context.engine) as session:
        row = retrainings.get_retraining(session, task.id)
        if row.model_version_id is None:
            shutil.rmtree(folder, ignore_errors=True)
