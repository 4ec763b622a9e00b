"""A line that has been at work for some weeks: versions, reviews, trainings."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db.access import trusted
from db.lines import add_line, get_or_add_camera, record_stream_status
from db.model_versions import activate, add_model_version
from db.tables import (
    DatasetSnapshot,
    Inspection,
    Line,
    ModelVersion,
    Retraining,
    Review,
    Sample,
    ShadowVerdict,
    SnapshotItem,
    ThresholdChange,
    utc_now,
)
from models.statistics.intervals import clopper_pearson_interval
from models.statistics.paired import compare_escapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

ANNA = trusted("anna")
REVIEW, REJECT = 1.6, 2.2
#: What each of four versions is: detector, whether it passed its gate, days ago.
VERSIONS = (
    ("patchcore", None, 21),
    ("bgad", False, 9),
    ("bgad", True, 6),
    ("bgad", True, 1),
)
SHADOW: dict[str, Any] = {
    "frames": 200,
    "agreement": 0.985,
    "candidate_only": 1,
    "champion_only": 2,
    "candidate": {"flag_rate": 0.055, "score_ms": 13.4},
    "champion": {"flag_rate": 0.06, "score_ms": 12.9},
    "ended": None,
}
CLASSES = {"crack": 14, "blowhole": 9, "scratch": 8}


@pytest.fixture
def models(seed_line: Callable[..., int], open_page: Callable[[str], AppTest]) -> AppTest:
    """The page of a line with four versions, of which the third scores."""
    seed_line()
    return open_page("models")


@pytest.fixture
def seed_line(plant: Plant) -> Callable[..., int]:
    """Makes the line `press` with four versions of which the third scores; gives its id."""

    def seed(frames: int = 1500) -> int:
        with Session(plant.engine) as session, session.begin():
            line = add_line(session, "press", actor=ANNA)
            record_stream_status(session, line.id, waiting=0, pending=0, cameras={})
            for number, (detector, has_passed, days) in enumerate(VERSIONS, start=1):
                _add_version(session, line, number, detector, has_passed, days)
            activate(session, line, 3, actor=ANNA)
            _add_history(session, line)
            _add_trainings(session, line)
            _add_frames(session, line, frames)
            return line.id

    return seed


def _add_version(
    session: Session, line: Line, number: int, detector: str, has_passed: bool | None, days: int
) -> None:
    snapshot = None if number == 1 else _add_snapshot(session, line, number)
    champion = {2: 1, 3: 1, 4: 3}.get(number)
    manifest = {
        "detector": detector,
        "backbone": "tf_efficientnet_lite0",
        "thresholds": {"review": REVIEW, "reject": REJECT},
    }
    version = add_model_version(
        session,
        line,
        artifact_path=f"/models/press-{number}",
        manifest=manifest,
        manifest_sha256=f"{number:064d}",
        actor=ANNA if number == 1 else trusted("retraining"),
        snapshot_id=snapshot,
        gate=None if champion is None else gate_report(champion, has_passed=bool(has_passed)),
        has_passed_gate=has_passed,
    )
    version.created_at = utc_now() - timedelta(days=days)
    version.shadow = SHADOW if has_passed else None


def gate_report(champion: int, *, has_passed: bool) -> dict[str, Any]:
    """A report as the gate writes it, on 120 good parts and 31 defects."""
    defects = sum(CLASSES.values())
    theirs, ours = (5, 2) if has_passed else (2, 6)
    reasons = [] if has_passed else [
        f"{ours} of {defects} golden defects escape it, {theirs} escape version {champion}"
    ]  # fmt: skip
    candidate, former = np.zeros(defects, bool), np.zeros(defects, bool)
    candidate[:ours], former[:theirs] = True, True
    return {
        "has_passed": has_passed,
        "reasons": reasons,
        "golden": {"good": 120, "defects": defects},
        "champion": _contender(champion, theirs, 2, 0.941),
        "candidate": _contender(None, ours, 1, 0.978 if has_passed else 0.92),
        "paired": asdict(compare_escapes(candidate, former)),
        "budgets": {"false_reject": 0.02, "latency_ms": None},
    }


def _contender(number: int | None, escapes: int, rejects: int, auroc: float) -> dict[str, Any]:
    classes, left = {}, escapes
    for name, frames in CLASSES.items():
        here = min(left, frames // 3)
        left -= here
        classes[name] = {
            "frames": frames, "detected": frames - here, "escapes": _share(here, frames)
        }  # fmt: skip
    defects = sum(CLASSES.values())
    return {
        "number": number,
        "thresholds": {"review": REVIEW, "reject": REJECT},
        "escapes": _share(escapes, defects),
        "rejected_defects": _share(defects - escapes - 3, defects),
        "false_rejects": _share(rejects, 120),
        "flagged_good": _share(4 * rejects, 120),
        "classes": classes,
        "image_auroc": auroc,
        "latency_ms_p50": 13.2,
    }


def _share(count: int, of: int) -> dict[str, Any]:
    interval = clopper_pearson_interval(count, of)
    limits = {"lower": interval.lower, "upper": interval.upper}
    return {"count": count, "of": of, "rate": count / of, **limits}


def _add_snapshot(session: Session, line: Line, number: int) -> int:
    snapshot = DatasetSnapshot(line_id=line.id, created_by="retraining", sha256=f"{number:064d}")
    session.add(snapshot)
    session.flush()
    for use, label, count in (
        ("normal", "good", 24),
        ("held_out", "good", 6),
        ("anomaly", "defect", 4 * number),
        ("golden", "good", 5),
        ("golden", "defect", 1),
    ):
        for _ in range(count):
            sample = Sample(
                line_id=line.id, frame_id=uuid7(), source="import", label=label,
                image_key="ab/cd.png", side="golden" if use == "golden" else "training",
                signature=b"s",
            )  # fmt: skip
            session.add(sample)
            session.flush()
            item = {"use": use, "label": label, "image_key": "ab/cd.png"}
            session.add(SnapshotItem(snapshot_id=snapshot.id, sample_id=sample.id, **item))
    return snapshot.id


def _add_history(session: Session, line: Line) -> None:
    version = session.scalars(
        select(ModelVersion).where(ModelVersion.line_id == line.id, ModelVersion.number == 3)
    ).one()
    session.add(
        ThresholdChange(
            model_version_id=version.id,
            review_threshold=REVIEW,
            reject_threshold=REJECT,
            former_review_threshold=1.45,
            former_reject_threshold=REJECT,
            changed_at=utc_now() - timedelta(days=5),
            changed_by="anna",
            reason="too many good parts to look at since the new lamp",
        )
    )


def _add_trainings(session: Session, line: Line) -> None:
    message = "line 'press': 3 confirmed defects wanted, 1 there: review flagged parts"
    for days, state, text in ((6, "done", ""), (3, "failed", message), (1, "done", "")):
        began = utc_now() - timedelta(days=days, minutes=9)
        session.add(
            Retraining(
                line_id=line.id, state=state, reason="defects", requested_by="schedule",
                requested_at=began, started_at=began, message=text,
                finished_at=began + timedelta(minutes=8),
            )
        )  # fmt: skip
        session.flush()


def _add_frames(session: Session, line: Line, count: int) -> None:
    """Two per cent are defective; flagged ones were judged, and one in twenty of the rest."""
    rng = np.random.default_rng(4)
    cameras = [get_or_add_camera(session, line.id, name).id for name in ("left", "right")]
    version = session.scalars(
        select(ModelVersion).where(ModelVersion.line_id == line.id, ModelVersion.number == 3)
    ).one()
    is_defective = rng.random(count) < 0.02
    scores = np.abs(rng.normal(0.8, 0.45, count)) + np.where(is_defective, 1.5, 0.0)
    audited = rng.random(count) < 0.05
    began = utc_now() - timedelta(days=5)
    rows = []
    for place, score in enumerate(scores.tolist()):
        verdict = "REJECT" if score >= REJECT else "REVIEW" if score >= REVIEW else "PASS"
        is_audited = bool(verdict == "PASS" and audited[place])
        is_asked = verdict != "PASS" or is_audited
        is_judged = is_asked and place % 7 > 0
        queue = ("audit" if is_audited else "flagged") if is_asked and not is_judged else None
        at = began + timedelta(minutes=7200 * place / count)
        rows.append(
            {
                "frame_id": uuid7(), "line_id": line.id, "camera_id": cameras[place % 2],
                "model_version_id": version.id, "sequence": place, "captured_at": at,
                "recorded_at": at, "score_ms": 12.0, "score": score, "verdict": verdict,
                "queue": queue, "audit_probability": 0.05 if is_audited else None,
                "label": ("defect" if is_defective[place] else "good") if is_judged else None,
            }
        )  # fmt: skip
    session.execute(insert(Inspection), rows)
    judged = select(Inspection).where(Inspection.line_id == line.id, Inspection.label.is_not(None))
    reviews = [
        {
            "inspection_id": one.id, "camera_id": one.camera_id, "reviewer": "otto",
            "decision": one.label,
        }
        for one in session.scalars(judged)
    ]  # fmt: skip
    session.execute(insert(Review), reviews)
    _add_shadow(session, line, rows[-SHADOW["frames"] :])


def _add_shadow(session: Session, line: Line, rows: list[dict[str, Any]]) -> None:
    """What the fourth version said of the newest frames."""
    query = select(ModelVersion.id).where(ModelVersion.line_id == line.id, ModelVersion.number == 4)
    version_id = session.scalars(query).one()
    verdicts = [
        {
            "frame_id": row["frame_id"], "model_version_id": version_id, "score_ms": 13.0,
            "score": row["score"] + 0.1, "verdict": row["verdict"],
            "champion_verdict": row["verdict"],
        }
        for row in rows
    ]  # fmt: skip
    session.execute(insert(ShadowVerdict), verdicts)
