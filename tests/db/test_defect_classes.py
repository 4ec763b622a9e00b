"""A line's own list of defect classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from db import audit
from db.access import Actor, trusted
from db.defect_classes import (
    add_class,
    list_classes,
    reorder,
    retire_class,
    set_classes,
)
from db.errors import Conflict, Forbidden, NotFound
from db.tables import Role
from db.users import add_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Plant
    from sqlalchemy.orm import Session

EVE = trusted("eve")


@pytest.fixture
def three(session: Session, plant: Plant) -> Plant:
    """The line has crack, scratch and dent."""
    for name in ("crack", "scratch", "dent"):
        add_class(session, plant.line, name, actor=EVE)
    session.commit()
    return plant


def names(session: Session, plant: Plant, **options: bool) -> list[str]:
    return [known.name for known in list_classes(session, plant.line_id, **options)]


def test_classes_stand_in_the_order_added_and_each_line_has_its_own(
    session: Session, three: Plant, add_plant: Callable[..., Plant]
) -> None:
    saw = add_plant("saw", ["top"])
    add_class(session, saw.line, "  burr   at edge ", actor=EVE)

    assert names(session, three) == ["crack", "scratch", "dent"]
    assert names(session, saw) == ["burr at edge"]


def test_a_class_there_already_is_a_conflict(session: Session, three: Plant) -> None:
    with pytest.raises(Conflict, match="has a defect class 'dent' already"):
        add_class(session, three.line, "dent", actor=EVE)


@pytest.mark.parametrize("name", ["", "  ", "x" * 65])
def test_a_name_must_be_one(session: Session, three: Plant, name: str) -> None:
    with pytest.raises(ValueError, match="1 to 64 characters"):
        add_class(session, three.line, name, actor=EVE)


def test_a_retired_class_is_offered_no_more_and_may_come_back_at_the_end(
    session: Session, three: Plant
) -> None:
    retire_class(session, three.line, "crack", actor=EVE)
    assert names(session, three) == ["scratch", "dent"]
    assert names(session, three, with_retired=True) == ["crack", "scratch", "dent"]
    with pytest.raises(NotFound, match="no defect class 'crack'; it has: scratch, dent"):
        retire_class(session, three.line, "crack", actor=EVE)

    add_class(session, three.line, "crack", actor=EVE)

    assert names(session, three) == ["scratch", "dent", "crack"]


def test_the_order_is_changed_as_a_whole(session: Session, three: Plant) -> None:
    reorder(session, three.line, ["dent", "crack", "scratch"], actor=EVE)

    assert names(session, three) == ["dent", "crack", "scratch"]
    with pytest.raises(Conflict, match="load the list again"):
        reorder(session, three.line, ["dent", "crack"], actor=EVE)


def test_a_whole_list_adds_retires_and_reorders_what_differs(
    session: Session, three: Plant
) -> None:
    assert set_classes(session, three.line, ["dent", " burr ", "crack"], actor=EVE)

    assert names(session, three) == ["dent", "burr", "crack"]
    assert not set_classes(session, three.line, ["dent", "burr", "crack"], actor=EVE)
    with pytest.raises(Conflict, match="'dent' stands there twice"):
        set_classes(session, three.line, ["dent", "dent"], actor=EVE)
    with pytest.raises(ValueError, match="1 to 64 characters"):
        set_classes(session, three.line, ["dent", " "], actor=EVE)
    assert names(session, three) == ["dent", "burr", "crack"]


def test_every_change_is_told(session: Session, plant: Plant) -> None:
    add_class(session, plant.line, "crack", actor=EVE)
    reorder(session, plant.line, ["crack"], actor=EVE)
    retire_class(session, plant.line, "crack", actor=EVE)
    session.commit()

    told = [(e.actor, e.action, e.details) for e in audit.list_events(session, limit=3)][::-1]
    assert told == [
        ("eve", "defect_class.added", {"defect_class": "crack"}),
        ("eve", "defect_class.reordered", {"order": ["crack"]}),
        ("eve", "defect_class.retired", {"defect_class": "crack"}),
    ]


def test_classes_are_for_engineers(session: Session, three: Plant) -> None:
    add_user(session, "anna", Role.OPERATOR, actor=trusted("root"))
    anna = Actor("anna")
    changes: list[Callable[[], object]] = [
        lambda: add_class(session, three.line, "burr", actor=anna),
        lambda: retire_class(session, three.line, "dent", actor=anna),
        lambda: reorder(session, three.line, ["dent", "crack", "scratch"], actor=anna),
        lambda: set_classes(session, three.line, ["dent"], actor=anna),
    ]

    for change in changes:
        with pytest.raises(Forbidden, match="needs an engineer"):
            change()

    assert names(session, three) == ["crack", "scratch", "dent"]
