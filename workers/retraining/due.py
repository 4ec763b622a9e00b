"""Whether a line's model is to be trained again, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from db.active_scores import pass_scores
from db.least_samples import Least
from db.retrainings import has_news, last_finished, open_retraining
from db.samples import few_shot_set, waiting_defects
from db.tables import ModelVersion, RetrainingReason, RetrainingState
from models.statistics.drift import detect_drift

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from db.tables import Line, Retraining

#: After one that failed or was cancelled, nothing starts by itself for so long.
PAUSE_AFTER_FAILURE = timedelta(hours=1)
#: Of each camera so many scores are compared: the version's first, and the latest.
DRIFT_WINDOW = 500


def is_due(session: Session, line: Line, now: datetime) -> RetrainingReason | None:
    """Why a retraining of `line` should begin now; None if none should.

    By the number of waiting defects, by the clock, or because the scores of PASS frames have moved
    since the version was activated. Never without something newly confirmed since the last one
    began: the same frames would only give the same model. Nor for a line that has no model yet,
    which is taught, nor while a candidate is in the shadow.
    """
    if line.active_model_version_id is None or line.shadow_model_version_id is not None:
        return None
    if open_retraining(session, line.id) is not None:
        return None
    last = last_finished(session, line.id)
    if last is not None and _pauses(last, now):
        return None
    if not has_news(session, line.id, last.requested_at if last else None):
        return None
    if _has_defects(session, line):
        return RetrainingReason.DEFECTS
    if _has_time_passed(session, line, last, now):
        return RetrainingReason.SCHEDULE
    if line.retrain_on_drift and _drifts(session, line):
        return RetrainingReason.DRIFT
    return None


def detector_for(session: Session, line: Line) -> str:
    """What an automatic retraining of a line with a model trains.

    BGAD once there are defects to learn from; before, the champion's detector again, from more
    good parts.
    """
    usable = sum(one.why_not is None for one in few_shot_set(session, line.id))
    if usable >= Least().anomalies:
        return "bgad"
    return session.get_one(ModelVersion, line.active_model_version_id).detector


def _pauses(last: Retraining, now: datetime) -> bool:
    if last.state == RetrainingState.DONE or last.finished_at is None:
        return False
    return now - last.finished_at < PAUSE_AFTER_FAILURE


def _has_defects(session: Session, line: Line) -> bool:
    wanted = line.retrain_after_defects
    return wanted is not None and waiting_defects(session, line.id) >= wanted


def _has_time_passed(session: Session, line: Line, last: Retraining | None, now: datetime) -> bool:
    if line.retrain_every_h is None:
        return False
    since = last.finished_at if last is not None else None
    if since is None:
        since = session.get_one(ModelVersion, line.active_model_version_id).created_at
    return now - since >= timedelta(hours=line.retrain_every_h)


def _drifts(session: Session, line: Line) -> bool:
    reference, present = pass_scores(session, line, window=DRIFT_WINDOW)
    return detect_drift(reference, present).is_drifting
