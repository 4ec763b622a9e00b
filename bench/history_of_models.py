"""What a plant's models did in two months: versions, trainings, snapshots, shadow, audit events."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import insert, update

from db.audit_chain import GENESIS, link
from db.tables import (
    AuditChain,
    AuditEvent,
    DatasetSnapshot,
    Line,
    ModelVersion,
    Retraining,
    ShadowVerdict,
    SnapshotItem,
    ThresholdChange,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

#: Versions of a line that scored, one after the other; one more has passed its gate since.
VERSIONS = 8
#: A training a day, of which every seventh came to a version.
TRAININGS = 60
#: Frames that the newest version of the first line has seen in the shadow.
SHADOWED = 5_000
#: Frames of a snapshot at most.
SNAPSHOT = 3_000
EVENTS = 50_000
TEACHER = "erna"
PEOPLE = tuple(f"user {number}" for number in range(40))
ACTIONS = (
    "sample.removed", "sample.restored", "thresholds.changed", "user.logged_in", "snapshot.taken",
    "reviews.dismissed", "line.settings_changed", "retraining.requested", "teaching.started",
)  # fmt: skip
THRESHOLDS = {"review": 1.0, "reject": 2.0}
MANIFEST = {
    "detector": "bgad",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": THRESHOLDS,
    "map_thresholds": THRESHOLDS,
}


def version_at(line: int, share: float) -> int:
    """Id of the version that scored on a line, counted from 0, after that share of the time."""
    return line * (VERSIONS + 1) + 1 + int(share * VERSIONS)


def add_models(connection: Connection, now: datetime, *, lines: int, days: int) -> None:
    """Every line's versions with their snapshots, activations, thresholds and trainings."""
    began = now - timedelta(days=days)
    snapshots, versions, trainings, changes = [], [], [], []
    events: list[dict[str, Any]] = []
    for line in range(lines):
        for number in range(VERSIONS + 1):
            version = version_at(line, number / VERSIONS)
            at = began + timedelta(days=days * number / VERSIONS, hours=-number / 2)
            of_line = {"line_id": line + 1, "created_at": at, "created_by": "retraining"}
            snapshots.append({"id": version, "sha256": f"{version:064}", **of_line})
            versions.append({"id": version, "number": number + 1, **of_line, **_trained(version)})
            changes.append(_change(version, at))
            activated = {"actor": TEACHER, "action": "model.activated", "at": at}
            if number < VERSIONS:
                events.append({**activated, "subject": f"line:line-{line + 1}", "details": {}})
        trainings += [_training(line, number, now) for number in range(TRAININGS)]
    for table, rows in (
        (DatasetSnapshot, snapshots), (ModelVersion, versions), (Retraining, trainings),
        (ThresholdChange, changes),
    ):  # fmt: skip
        connection.execute(insert(table), rows)
    events += _events(now, days, lines)
    _add_events(connection, events)
    for line in range(lines):
        active = version_at(line, 1 - 1 / VERSIONS)
        in_shadow = active + 1 if line == 0 else None
        change = {"active_model_version_id": active, "shadow_model_version_id": in_shadow}
        connection.execute(update(Line).where(Line.id == line + 1).values(change))


def _add_events(connection: Connection, events: list[dict[str, Any]]) -> None:
    """In the order of time, and in a chain."""
    newest = GENESIS
    events.sort(key=lambda event: event["at"])
    for place, event in enumerate(events, start=1):
        words = (event[name] for name in ("actor", "action", "subject", "details"))
        newest = link(newest, place, event["at"].isoformat(timespec="microseconds"), *words)
        event |= {"position": place, "hash": newest}
    connection.execute(insert(AuditEvent), events)
    connection.execute(update(AuditChain).values(length=len(events), hash=newest))


def add_learned(
    connection: Connection,
    now: datetime,
    samples: Iterable[Mapping[str, Any]],
    newest: Sequence[Mapping[str, Any]],
) -> None:
    """What each version was trained on, and what the candidate in the shadow said of frames."""
    by_line: dict[int, list[Mapping[str, Any]]] = {}
    for sample in samples:
        by_line.setdefault(sample["line_id"] - 1, []).append(sample)
    for line, there in by_line.items():
        for number in range(VERSIONS + 1):
            until = len(there) * (number + 1) // (VERSIONS + 1)
            rows = [_item(version_at(line, number / VERSIONS), one) for one in there[:until]]
            connection.execute(insert(SnapshotItem), rows[-SNAPSHOT:])
    shadow = [
        {
            "frame_id": frame["frame_id"],
            "model_version_id": version_at(0, 1.0),
            "score": frame["score"] + 0.05,
            "score_ms": 9.0,
            "verdict": frame["verdict"],
            "champion_verdict": frame["verdict"],
            "recorded_at": now,
        }
        for frame in newest
    ]
    connection.execute(insert(ShadowVerdict), shadow)


def _trained(version: int) -> dict[str, Any]:
    return {
        "detector": "bgad", "backbone": "tf_efficientnet_lite0", "artifact_path": "/nowhere",
        "manifest_sha256": "0" * 64, "manifest": MANIFEST, "review_threshold": 1.0,
        "reject_threshold": 2.0, "snapshot_id": version, "has_passed_gate": True,
    }  # fmt: skip


def _change(version: int, at: datetime) -> dict[str, Any]:
    return {
        "model_version_id": version, "review_threshold": 1.0, "reject_threshold": 2.0,
        "former_review_threshold": 0.9, "former_reject_threshold": 2.0, "changed_at": at,
        "changed_by": TEACHER, "reason": "fewer good parts to look at",
    }  # fmt: skip


def _training(line: int, number: int, now: datetime) -> dict[str, Any]:
    at = now - timedelta(days=TRAININGS - number)
    has_model = number % 7 == 0
    return {
        "line_id": line + 1, "state": "done" if has_model else "failed", "reason": "schedule",
        "requested_by": "schedule", "requested_at": at, "started_at": at,
        "finished_at": at + timedelta(minutes=8), "message": "" if has_model else "nothing new",
        "model_version_id": version_at(line, number / TRAININGS) if has_model else None,
    }  # fmt: skip


def _events(now: datetime, days: int, lines: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(1)
    for number in range(EVENTS):
        yield {
            "at": now - timedelta(days=days * (1 - number / EVENTS)),
            "actor": PEOPLE[int(rng.integers(len(PEOPLE)))],
            "action": ACTIONS[int(rng.integers(len(ACTIONS)))],
            "subject": f"line:line-{int(rng.integers(lines)) + 1}",
            "details": {"number": number, "reason": "as agreed in the morning meeting"},
        }


def _item(snapshot: int, sample: Mapping[str, Any]) -> dict[str, Any]:
    use = "golden" if sample["side"] == "golden" else "normal"
    return {
        "snapshot_id": snapshot,
        "sample_id": sample["id"],
        "use": "anomaly" if use == "normal" and sample["label"] == "defect" else use,
        "label": sample["label"],
        "defect_class": sample["defect_class"],
        "image_key": sample["image_key"],
        "mask_key": None,
        "review_id": sample["review_id"],
    }
