"""A line's settings: what may be set, and who set what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from db import audit
from db.access import Actor, trusted
from db.errors import Forbidden
from db.line_settings import LineSettings, change_settings
from db.lines import add_line
from db.tables import Line, Role
from db.users import add_user

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ANNA = trusted("anna")


@pytest.fixture
def line(session: Session) -> Line:
    made = add_line(session, "press", actor=ANNA)
    session.commit()
    return made


def test_changed_settings_are_told_with_old_and_new_values(session: Session, line: Line) -> None:
    wanted = replace(
        LineSettings.of(line), audit_rate=0.05, retrain_every_h=None, promotion="automatic"
    )

    changed = change_settings(session, line, wanted, actor=ANNA)
    session.commit()

    assert changed == {
        "audit_rate": (0.01, 0.05),
        "retrain_every_h": (24.0, None),
        "promotion": ("person", "automatic"),
    }
    assert LineSettings.of(session.get_one(Line, line.id)) == wanted
    event = audit.list_events(session)[0]
    assert (event.action, event.subject) == ("line.settings_changed", "line:press")
    assert event.details["audit_rate"] == {"former": 0.01, "now": 0.05}
    assert set(event.details) == set(changed)


def test_the_same_settings_again_are_no_event(session: Session, line: Line) -> None:
    assert change_settings(session, line, LineSettings.of(line), actor=ANNA) == {}

    assert [event.action for event in audit.list_events(session)] == ["line.added"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audit_rate": 1.5}, "audit_rate is 1.5: expected a share from 0 to 1"),
        ({"audit_rate": float("nan")}, "audit_rate is nan: expected a share"),
        ({"false_reject_budget": -0.1}, "false_reject_budget is -0.1: expected a share"),
        ({"retrain_every_h": 0.0}, "retrain_every_h is 0.0: expected hours from 0.1"),
        ({"retrain_after_defects": 0}, "retrain_after_defects is 0: expected defects from 1"),
        ({"latency_budget_ms": 0.0}, "latency_budget_ms is 0.0: expected milliseconds"),
        ({"shadow_frames": -1}, "shadow_frames is -1: expected frames from 0"),
        ({"promotion": "dice"}, "promotion is 'dice': choose one of person, automatic"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    session: Session, line: Line, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(LineSettings.of(line), **change)


def test_operators_may_not_change_settings(session: Session, line: Line) -> None:
    add_user(session, "otto", Role.OPERATOR, actor=ANNA)

    with pytest.raises(Forbidden, match="needs an engineer"):
        change_settings(session, line, LineSettings.of(line), actor=Actor("otto"))
