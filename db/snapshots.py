"""Dataset snapshots: immutable lists of what a model version is trained and judged on."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from db import audit
from db.access import require
from db.errors import TooFewSamples
from db.few_shot import few_shot_set
from db.least_samples import Least, lacks, least_for
from db.locking import lock
from db.sample_pools import count_golden, count_normals, golden_pool, normal_pool
from db.splitting import hash_share
from db.tables import (
    DatasetSnapshot,
    Line,
    Role,
    SampleLabel,
    SnapshotItem,
    SnapshotUse,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from db.access import Actor
    from db.few_shot import FewShotSample
    from db.tables import Sample

#: Share of the normals that thresholds come from, and no model is fitted on.
HELD_OUT_SHARE = 0.2


def take_snapshot(
    session: Session,
    line: Line,
    *,
    actor: Actor,
    least: Least | None = None,
    teaching_id: int | None = None,
) -> DatasetSnapshot:
    """List what a training of the line uses now; the same list is the same snapshot.

    Goods of the training side are fitted on or held out, by a hash of their part, so that a good
    stays what it was; defects of the few-shot set are the anomalies. Call
    `workers.labelling.complete_samples` before: samples whose pictures were not looked at are not
    in it.

    Args:
        least: how many there must be; None: as for a retraining with a champion to beat.
        teaching_id: take the goods of this teaching only, all of them, and no defects to learn
            from.

    Raises:
        Forbidden: if `actor` is no engineer.
        TooFewSamples: if there are fewer; nothing is stored.
    """
    require(session, actor, Role.ENGINEER)
    lock(session, Line, line.id)
    goods = normal_pool(session, line.id, teaching_id=teaching_id)
    defects = few_shot_set(session, line.id) if teaching_id is None else []
    anomalies = [one for one in defects if one.why_not is None]
    golden = golden_pool(session, line.id)
    _check(line.name, least or Least(), goods, anomalies, golden)
    held_out = _held_out(goods)
    rows = [
        *(_row(_good_use(one, held_out), one, one.label) for one in goods),
        *(_row(SnapshotUse.ANOMALY, one, SampleLabel.DEFECT.value) for one in anomalies),
        *(_row(SnapshotUse.GOLDEN, one, one.label) for one in golden),
    ]
    return _store(session, line, rows, actor)


def missing_for_retraining(
    session: Session, line: Line, found: Sequence[FewShotSample]
) -> list[str]:
    """What `take_snapshot` would refuse a retraining with defects for now; nothing if it can run.

    Args:
        found: the line's few-shot set.
    """
    least = least_for(
        is_compared=line.active_model_version_id is not None, learns_from_defects=True
    )
    anomalies = sum(one.why_not is None for one in found)
    there = Least(count_normals(session, line.id), anomalies, *count_golden(session, line.id))
    return lacks(least, there)


def snapshot_items(
    session: Session, snapshot_id: int, *, use: SnapshotUse | None = None
) -> list[SnapshotItem]:
    """A snapshot's frames, by use, oldest first; of one use only, if told."""
    query = select(SnapshotItem).where(SnapshotItem.snapshot_id == snapshot_id)
    if use is not None:
        query = query.where(SnapshotItem.use == use.value)
    return sorted(session.scalars(query), key=lambda item: (_ORDER[item.use], item.sample_id))


_ORDER = {use.value: place for place, use in enumerate(SnapshotUse)}


def _check(
    line: str,
    least: Least,
    goods: Sequence[Sample],
    anomalies: Sequence[FewShotSample],
    golden: Sequence[Sample],
) -> None:
    defects = sum(one.label == SampleLabel.DEFECT.value for one in golden)
    there = Least(len(goods), len(anomalies), len(golden) - defects, defects)
    missing = lacks(least, there)
    if missing:
        raise TooFewSamples(f"line {line!r}: {'; '.join(missing)}")


def _held_out(goods: Sequence[Sample]) -> set[int]:
    """The goods that nothing is fitted on: whole parts, the same ones every time."""
    by_id = {one.id: one for one in goods}

    def place(one: Sample) -> float:
        first = by_id.get(one.duplicate_of_id or one.id, one)
        return hash_share(f"held-out:{first.part_id or first.frame_id}")

    chosen = {one.id for one in goods if place(one) < HELD_OUT_SHARE}
    # Few goods may hash to either end: some are needed for both.
    least = math.ceil(HELD_OUT_SHARE * len(goods) / 2)
    most = len(goods) - least
    if least <= len(chosen) <= most:
        return chosen
    wanted = least if len(chosen) < least else most
    return {one.id for one in sorted(goods, key=lambda one: (place(one), one.id))[:wanted]}


def _good_use(one: Sample, held_out: set[int]) -> SnapshotUse:
    return SnapshotUse.HELD_OUT if one.id in held_out else SnapshotUse.NORMAL


def _row(use: SnapshotUse, one: Sample | FewShotSample, label: str) -> dict[str, Any]:
    return {
        "sample_id": one.id,
        "frame_id": str(one.frame_id),
        "use": use.value,
        "label": label,
        "defect_class": one.defect_class,
        "image_key": one.image_key,
        "mask_key": one.mask_key,
        "review_id": one.review_id,
    }


def _store(
    session: Session, line: Line, rows: Sequence[dict[str, Any]], actor: Actor
) -> DatasetSnapshot:
    rows = sorted(rows, key=lambda row: (_ORDER[row["use"]], row["frame_id"]))
    digest = hashlib.sha256()
    for row in rows:
        listed = {name: value for name, value in row.items() if name != "sample_id"}
        digest.update(json.dumps(listed, sort_keys=True).encode() + b"\n")
    sha256 = digest.hexdigest()
    newest = session.scalar(
        select(DatasetSnapshot)
        .where(DatasetSnapshot.line_id == line.id)
        .order_by(DatasetSnapshot.id.desc())
        .limit(1)
    )
    if newest is not None and newest.sha256 == sha256:
        return newest
    snapshot = DatasetSnapshot(line_id=line.id, created_by=actor.name, sha256=sha256)
    session.add(snapshot)
    session.flush()
    items = [
        {name: value for name, value in row.items() if name != "frame_id"}
        | {"snapshot_id": snapshot.id}
        for row in rows
    ]
    if items:
        session.execute(insert(SnapshotItem), items)
    counts = {use.value: sum(row["use"] == use.value for row in rows) for use in SnapshotUse}
    audit.append(
        session,
        actor=actor,
        action="snapshot.taken",
        subject=f"line:{line.name}",
        snapshot=snapshot.id,
        sha256=sha256,
        **counts,
    )
    return snapshot
