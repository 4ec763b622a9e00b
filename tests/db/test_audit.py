"""The audit trail."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.orm import Session

from db import audit
from db.access import trusted
from db.audit import AuditFilter
from db.audit_chain import chain
from db.lines import add_line
from db.tables import AuditEvent, utc_now

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


def test_events_are_listed_newest_first_in_pages(session: Session) -> None:
    for number in range(5):
        audit.append(
            session, actor=trusted("anna"), action="test.done", subject="test:a", number=number
        )
        session.commit()

    first = audit.list_events(session, limit=2)
    rest = audit.list_events(session, before_id=first[-1].id)

    assert [event.details["number"] for event in first + rest] == [4, 3, 2, 1, 0]
    assert (utc_now() - first[0].at).total_seconds() < 60


def test_events_of_one_subject_can_be_asked_for(session: Session) -> None:
    audit.append(session, actor=trusted("anna"), action="test.done", subject="test:a")
    audit.append(session, actor=trusted("anna"), action="test.done", subject="test:b")
    session.commit()

    assert [e.subject for e in audit.list_events(session, subject="test:b")] == ["test:b"]


def test_the_newest_events_name_what_can_be_asked_for(session: Session) -> None:
    for subject in "abc":
        audit.append(session, actor=trusted("anna"), action="test.done", subject=f"test:{subject}")
    session.commit()

    names = audit.newest_names(session, limit=2)

    assert names == [("anna", "test.done", "test:c"), ("anna", "test.done", "test:b")]


def test_an_event_without_an_actor_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="needs an actor"):
        audit.append(session, actor=trusted(" "), action="test.done", subject="test:a")


def test_a_change_that_is_taken_back_leaves_no_event(engine: Engine) -> None:
    with Session(engine) as session:
        add_line(session, "press", actor=trusted("anna"))
        session.rollback()

        assert audit.list_events(session) == []


def test_events_are_filtered_by_who_what_and_when(session: Session) -> None:
    start = utc_now()
    rows = [
        ("anna", "line.added", 0),
        ("bert", "line.added", 1),
        ("anna", "user.added", 2),
        ("anna", "line.added", 3),
    ]
    for actor, action, hours in rows:
        at = start + timedelta(hours=hours)
        chain(session, AuditEvent(actor=actor, action=action, subject="line:a", at=at, details={}))
    session.commit()

    def listed(**only: Any) -> list[int]:
        found = audit.list_events(session, only=AuditFilter(**only))
        return [round((event.at - start).total_seconds() / 3600) for event in found]

    assert listed() == [3, 2, 1, 0]
    assert listed(actor="anna") == [3, 2, 0]
    assert listed(actor="anna", action="line.added") == [3, 0]
    assert listed(subject="line:b") == []
    assert listed(since=start + timedelta(hours=1)) == [3, 2, 1]
    assert listed(until=start + timedelta(hours=1)) == [0]
    assert listed(since=start + timedelta(hours=1), until=start + timedelta(hours=3)) == [2, 1]
    assert listed(since=start + timedelta(hours=9)) == []
    assert listed(until=start - timedelta(hours=9)) == []


def test_an_old_day_is_found_without_reading_all_that_came_after(session: Session) -> None:
    start = utc_now()
    for number in range(3000):
        at = start + timedelta(hours=number)
        chain(session, AuditEvent(actor="anna", action="a.b", subject="a:b", at=at, details={}))
    session.commit()

    found = audit.list_events(session, only=AuditFilter(until=start + timedelta(hours=2)))

    assert len(found) == 2
    upper = audit._within(session, AuditFilter(until=start + timedelta(hours=2)))[1]
    assert upper.compile().params["id_1"] <= found[0].id + audit.OUT_OF_ORDER
