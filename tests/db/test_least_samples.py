"""What a training needs, and what a line lacks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from uuid_utils.compat import uuid7

from db import samples
from db.access import trusted
from db.errors import TooFewSamples
from db.few_shot import few_shot_set
from db.least_samples import FIRST_MODEL, Least, lacks, least_for
from db.snapshots import missing_for_retraining, take_snapshot
from db.tables import SampleLabel, SampleSource, Side

if TYPE_CHECKING:
    from conftest import Plant
    from sqlalchemy.orm import Session

GOOD, DEFECT = SampleLabel.GOOD, SampleLabel.DEFECT


def test_a_first_model_needs_goods_only_and_a_champion_golden_frames() -> None:
    assert least_for(is_compared=False, learns_from_defects=False) == FIRST_MODEL
    assert (FIRST_MODEL.goods, FIRST_MODEL.anomalies) == (12, 0)
    assert least_for(is_compared=True, learns_from_defects=True) == Least()


def test_what_is_there_is_not_lacking() -> None:
    assert lacks(Least(), Least()) == []
    (lack,) = lacks(Least(), Least(golden_defects=2))
    assert lack.startswith("3 golden defects wanted, 2 there: ")


@pytest.mark.parametrize(
    ("label", "side"), [(GOOD, Side.TRAINING), (DEFECT, Side.TRAINING), (DEFECT, Side.GOLDEN)]
)
def test_a_line_lacks_what_a_snapshot_is_refused_for(
    session: Session, plant: Plant, label: SampleLabel, side: Side
) -> None:
    def lacking() -> list[str]:
        found = few_shot_set(session, plant.line_id)
        return missing_for_retraining(session, plant.line, found)

    enough = {
        (GOOD, Side.TRAINING): Least().goods,
        (DEFECT, Side.TRAINING): Least().anomalies,
        (GOOD, Side.GOLDEN): Least().golden_goods,
        (DEFECT, Side.GOLDEN): Least().golden_defects,
    }
    for (what, where), number in enough.items():
        for _ in range(number - ((what, where) == (label, side))):
            _add(session, plant, what, where)

    assert len(lacking()) == 1
    with pytest.raises(TooFewSamples, match=lacking()[0]):
        take_snapshot(session, plant.line, actor=trusted("anna"))
    _add(session, plant, label, side)
    assert lacking() == []
    take_snapshot(session, plant.line, actor=trusted("anna"))


def _add(session: Session, plant: Plant, label: SampleLabel, side: Side) -> None:
    frame_id = uuid7()
    samples.add(
        session,
        line_id=plant.line_id,
        frame_id=frame_id,
        source=SampleSource.IMPORT,
        label=label,
        image_key=f"{frame_id.hex[:2]}/{frame_id.hex}.png",
        signature=b"s",
        side=side,
    )
