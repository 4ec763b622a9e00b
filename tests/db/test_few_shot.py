"""What the next training uses of the confirmed defects, and why not the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from uuid_utils.compat import uuid7

from db import samples
from db.access import trusted
from db.few_shot import NotUsed, few_shot_set, waiting_defects
from db.least_samples import Least
from db.snapshots import take_snapshot
from db.tables import SampleLabel, SampleSource, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Plant
    from sqlalchemy.orm import Session

    from db.tables import Sample

ANNA = trusted("anna")
NONE = Least(0, 0, 0, 0)


@pytest.fixture
def add(session: Session, plant: Plant) -> Callable[..., Sample]:
    """Adds a crack of the training side that was looked at, unless told."""

    def make(**changes: Any) -> Sample:
        values: dict[str, Any] = {
            "line_id": plant.line_id,
            "frame_id": uuid7(),
            "source": SampleSource.IMPORT,
            "label": SampleLabel.DEFECT,
            "image_key": "aa/aa.png",
            "defect_class": "crack",
            "signature": b"s",
            "side": Side.TRAINING,
        }
        return samples.add(session, **{**values, **changes})

    return make


def test_it_says_of_every_defect_whether_it_is_used_and_why_not(
    session: Session, plant: Plant, add: Callable[..., Sample]
) -> None:
    used = add()
    add(label=SampleLabel.GOOD, defect_class=None)
    wanted = {
        add(side=None, signature=None).id: NotUsed.NOT_LOOKED_AT,
        add(side=Side.GOLDEN).id: NotUsed.GOLDEN,
        add(side=Side.NEITHER).id: NotUsed.NEITHER,
        used.id: None,
    }
    copy, removed = add(), add()
    copy.duplicate_of_id = used.id
    samples.remove(session, removed.id, actor=ANNA, reason="blurred")
    session.commit()
    wanted |= {copy.id: NotUsed.NEAR_DUPLICATE, removed.id: NotUsed.REMOVED}

    found = few_shot_set(session, plant.line_id)

    assert {one.id: one.why_not for one in found} == wanted
    assert [one.id for one in found] == sorted(wanted, reverse=True)
    (taken_out,) = [one for one in found if one.id == removed.id]
    assert (taken_out.removed_by, taken_out.removed_reason) == ("anna", "blurred")


def test_of_each_class_the_newest_are_used_up_to_its_limit(
    session: Session, plant: Plant, add: Callable[..., Sample]
) -> None:
    cracks = [add().id for _ in range(4)]
    hole = add(defect_class="hole").id
    unnamed = add(defect_class=None).id

    found = few_shot_set(session, plant.line_id, most_of_class=3)

    used = {one.id for one in found if one.why_not is None}
    assert used == {*cracks[1:], hole, unnamed}
    assert {one.id: one.why_not for one in found}[cracks[0]] is NotUsed.EXCESS


def test_defects_wait_that_the_newest_snapshot_does_not_hold(
    session: Session, plant: Plant, add: Callable[..., Sample]
) -> None:
    add()
    assert waiting_defects(session, plant.line_id) == 1

    take_snapshot(session, plant.line, actor=ANNA, least=NONE)
    assert waiting_defects(session, plant.line_id) == 0

    add()
    add(side=Side.GOLDEN)
    add(side=None, signature=None)
    add(label=SampleLabel.GOOD)
    assert waiting_defects(session, plant.line_id) == 1


def test_other_lines_have_their_own_set(
    session: Session, plant: Plant, add_plant: Callable[..., Plant], add: Callable[..., Sample]
) -> None:
    other = add_plant("lathe")
    add()

    assert few_shot_set(session, other.line_id) == []
    assert waiting_defects(session, other.line_id) == 0
