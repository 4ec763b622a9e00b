"""Snapshots: what is in them, that they stay, and what is said when too little is there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from db import samples
from db.access import Actor, trusted
from db.errors import Conflict, Forbidden, TooFewSamples
from db.least_samples import FIRST_MODEL, Least
from db.sample_pools import normal_pool
from db.snapshots import snapshot_items, take_snapshot
from db.tables import (
    DatasetSnapshot,
    Sample,
    SampleLabel,
    SampleSource,
    Side,
    SnapshotItem,
    SnapshotUse,
    Teaching,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Plant
    from sqlalchemy.orm import Session

ANNA = trusted("anna")
GOOD, DEFECT = SampleLabel.GOOD, SampleLabel.DEFECT
FEW = Least(golden_goods=3, golden_defects=1)


@pytest.fixture
def add(session: Session, plant: Plant) -> Callable[..., Sample]:
    """Adds a good sample of the training side that was looked at, unless told."""

    def make(label: SampleLabel = GOOD, **changes: Any) -> Sample:
        frame_id = uuid7()
        values: dict[str, Any] = {
            "line_id": plant.line_id,
            "frame_id": frame_id,
            "source": SampleSource.IMPORT,
            "label": label,
            "image_key": f"{frame_id.hex[:2]}/{frame_id.hex}.png",
            "defect_class": "crack" if label is DEFECT else None,
            "signature": b"s",
            "side": Side.TRAINING,
        }
        return samples.add(session, **{**values, **changes})

    return make


@pytest.fixture
def fill(add: Callable[..., Sample]) -> Callable[..., None]:
    """Adds what a retraining needs."""

    def make(goods: int = 40) -> None:
        for _ in range(goods):
            add()
        for _ in range(4):
            add(DEFECT, mask_key="mm/mm.png")
            add(side=Side.GOLDEN)
        add(DEFECT, side=Side.GOLDEN)

    return make


def test_every_frame_has_its_use(
    session: Session, plant: Plant, fill: Callable[..., None], add: Callable[..., Sample]
) -> None:
    fill()
    add(side=Side.NEITHER)
    add(signature=None, side=None)
    copy = add()
    copy.duplicate_of_id = copy.id - 5
    samples.remove(session, add().id, actor=ANNA, reason="blurred")

    snapshot = take_snapshot(session, plant.line, actor=ANNA, least=FEW)
    session.commit()

    items = snapshot_items(session, snapshot.id)
    uses = Counter((item.use, item.label) for item in items)
    assert uses["normal", "good"] + uses["held_out", "good"] == 40
    assert 4 <= uses["held_out", "good"] <= 20
    assert uses["anomaly", "defect"] == 4
    assert (uses["golden", "good"], uses["golden", "defect"]) == (4, 1)
    assert sum(uses.values()) == 49
    (anomaly, *_) = snapshot_items(session, snapshot.id, use=SnapshotUse.ANOMALY)
    assert (anomaly.defect_class, anomaly.mask_key) == ("crack", "mm/mm.png")


def test_the_same_list_is_the_same_snapshot_and_another_has_another_hash(
    session: Session, plant: Plant, fill: Callable[..., None], add: Callable[..., Sample]
) -> None:
    fill()
    first = take_snapshot(session, plant.line, actor=ANNA, least=FEW)
    again = take_snapshot(session, plant.line, actor=trusted("ben"), least=FEW)
    add()
    later = take_snapshot(session, plant.line, actor=ANNA, least=FEW)

    assert again.id == first.id
    assert later.id != first.id
    assert later.sha256 != first.sha256
    assert session.scalar(select(func.count()).select_from(DatasetSnapshot)) == 2


def test_the_hash_follows_from_what_is_listed_and_not_from_the_rows_numbers(
    session: Session, plant: Plant, add_plant: Callable[..., Plant], add: Callable[..., Sample]
) -> None:
    other = add_plant("lathe")
    frames = [{"frame_id": uuid7(), "image_key": f"aa/{n}.png"} for n in range(12)]
    for frame in frames:
        add(**frame)
    for frame in reversed(frames):
        add(**frame, line_id=other.line_id)

    one = take_snapshot(session, plant.line, actor=ANNA, least=FIRST_MODEL)
    two = take_snapshot(session, other.line, actor=ANNA, least=FIRST_MODEL)

    assert one.id != two.id
    assert one.sha256 == two.sha256


def test_a_snapshot_stays_whatever_becomes_of_its_samples(
    session: Session, plant: Plant, fill: Callable[..., None]
) -> None:
    fill()
    snapshot = take_snapshot(session, plant.line, actor=ANNA, least=FEW)
    before = [(i.sample_id, i.use, i.label) for i in snapshot_items(session, snapshot.id)]

    for sample in session.scalars(select(Sample)).all():
        samples.remove(session, sample.id, actor=ANNA, reason="all wrong")
    session.commit()

    session.expire_all()
    after = [(i.sample_id, i.use, i.label) for i in snapshot_items(session, snapshot.id)]
    assert after == before


@pytest.mark.parametrize("goods", [12, 13, 25, 200])
def test_goods_are_held_out_as_whole_parts_and_stay_so(
    session: Session, plant: Plant, add: Callable[..., Sample], goods: int
) -> None:
    for number in range(goods):
        add(part_id=f"part-{number // 2}")
    first = take_snapshot(session, plant.line, actor=ANNA, least=FIRST_MODEL)
    held = {i.sample_id for i in snapshot_items(session, first.id, use=SnapshotUse.HELD_OUT)}
    fitted = {i.sample_id for i in snapshot_items(session, first.id, use=SnapshotUse.NORMAL)}

    assert min(len(held), len(fitted)) >= goods // 10
    if goods == 200:  # enough for the hash alone
        parts = {s.id: s.part_id for s in session.scalars(select(Sample))}
        assert not {parts[one] for one in held} & {parts[one] for one in fitted}
        for _ in range(20):
            add()
        later = take_snapshot(session, plant.line, actor=ANNA, least=FIRST_MODEL)
        now = {i.sample_id for i in snapshot_items(session, later.id, use=SnapshotUse.HELD_OUT)}
        assert held <= now
        assert not fitted & now


def test_too_few_are_counted_with_what_to_do_and_nothing_is_stored(
    session: Session, plant: Plant, add: Callable[..., Sample]
) -> None:
    for _ in range(3):
        add()

    with pytest.raises(TooFewSamples) as caught:
        take_snapshot(session, plant.line, actor=ANNA)

    assert isinstance(caught.value, Conflict)
    message = str(caught.value)
    assert "12 good samples wanted, 3 there: teach the line, or import some" in message
    assert "3 confirmed defects wanted, 0 there" in message
    assert "10 good golden samples wanted, 0 there" in message
    assert "3 golden defects wanted, 0 there: confirm more defects" in message
    assert session.scalar(select(func.count()).select_from(SnapshotItem)) == 0
    with pytest.raises(TooFewSamples, match="100 good samples wanted"):
        take_snapshot(session, plant.line, actor=ANNA, least=Least(goods=100))


def test_frames_of_a_teaching_count_once_they_were_looked_over(
    session: Session, plant: Plant, add: Callable[..., Sample]
) -> None:
    teaching = Teaching(
        line_id=plant.line_id, frames_wanted=10, detector="patchcore", started_by="anna"
    )
    session.add(teaching)
    session.flush()
    add(source=SampleSource.TEACHING, teaching_id=teaching.id)
    assert normal_pool(session, plant.line_id) == []

    teaching.state = "training"

    assert len(normal_pool(session, plant.line_id)) == 1


def test_a_teaching_is_trained_on_all_of_its_own_frames_and_no_others(
    session: Session, plant: Plant, fill: Callable[..., None], add: Callable[..., Sample]
) -> None:
    fill()
    teaching = Teaching(
        line_id=plant.line_id,
        frames_wanted=12,
        detector="patchcore",
        started_by="anna",
        state="training",
    )
    session.add(teaching)
    session.flush()
    taught = [add(source=SampleSource.TEACHING, teaching_id=teaching.id) for _ in range(12)]
    for copy in taught[1:]:
        copy.duplicate_of_id = taught[0].id
    removed = add(source=SampleSource.TEACHING, teaching_id=teaching.id)
    samples.remove(session, removed.id, actor=ANNA, reason="blurred")

    snapshot = take_snapshot(
        session, plant.line, actor=ANNA, least=FIRST_MODEL, teaching_id=teaching.id
    )

    items = snapshot_items(session, snapshot.id)
    fitted = {item.sample_id for item in items if item.use in ("normal", "held_out")}
    assert fitted == {one.id for one in taught}
    assert not [item for item in items if item.use == "anomaly"]


def test_the_newest_normals_are_used_where_there_are_very_many(
    session: Session, plant: Plant, add: Callable[..., Sample]
) -> None:
    ids = [add().id for _ in range(5)]

    assert [one.id for one in normal_pool(session, plant.line_id, limit=3)] == ids[2:]


def test_operators_take_no_snapshots(session: Session, plant: Plant) -> None:
    session.add(User(name="olga", role="operator"))
    session.flush()

    with pytest.raises(Forbidden, match="engineer"):
        take_snapshot(session, plant.line, actor=Actor("olga"))
