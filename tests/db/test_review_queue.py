"""The review queue across lines and from any place in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from db import inspections
from db.access import trusted
from db.review_queue import count_open, newest_open, next_newer
from db.reviews import add_review
from db.tables import Decision, Inspection

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Plant, RowMaker
    from sqlalchemy.orm import Session


@pytest.fixture
def other(add_plant: Callable[..., Plant]) -> Plant:
    """A second line, `saw`, with a camera `top`."""
    return add_plant("saw", ["top"])


@pytest.fixture
def ids(session: Session, plant: Plant, other: Plant, make_row: RowMaker) -> list[int]:
    """Frames in the order recorded: press left, saw top, press right, a good one, saw top."""
    saw = {"line_id": other.line_id, "camera_id": other.cameras["top"]}
    rows = [
        make_row("left", "REJECT"),
        make_row("left", "REVIEW", **saw),
        make_row("right", "REVIEW"),
        make_row("left", "PASS"),
        make_row("left", "REJECT", **saw),
    ]
    for row in rows:
        inspections.record(session, [row])
    session.commit()
    return list(session.scalars(select(Inspection.id).order_by(Inspection.id)))


def test_several_lines_are_merged_newest_first(
    session: Session, plant: Plant, other: Plant, ids: list[int]
) -> None:
    lines = [plant.line_id, other.line_id]

    found = [view.id for view in newest_open(session, lines, limit=3)]
    rest = [view.id for view in newest_open(session, lines, older_than=found[-1], limit=3)]

    assert found == [ids[4], ids[2], ids[1]]
    assert rest == [ids[0]]
    assert count_open(session, lines) == 4


def test_the_next_newer_one_skips_what_is_good_or_done(
    session: Session, plant: Plant, other: Plant, ids: list[int]
) -> None:
    lines = [plant.line_id, other.line_id]
    add_review(session, ids[1], Decision.GOOD, reviewer=trusted("Ada"))

    first = next_newer(session, lines, ids[0])
    second = next_newer(session, lines, ids[2])

    assert first is not None
    assert second is not None
    assert [first.id, second.id] == [ids[2], ids[4]]
    assert next_newer(session, lines, ids[4]) is None
    assert count_open(session, lines) == 3


def test_one_camera_can_be_chosen(session: Session, plant: Plant, ids: list[int]) -> None:
    lines, left = [plant.line_id], plant.cameras["left"]

    assert [view.id for view in newest_open(session, lines, camera_id=left, limit=9)] == [ids[0]]
    assert next_newer(session, lines, ids[0], camera_id=left) is None
    assert count_open(session, lines, camera_id=left) == 1
