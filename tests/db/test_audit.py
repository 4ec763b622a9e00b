"""The audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from db import audit
from db.access import trusted
from db.lines import add_line
from db.tables import utc_now

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


def test_events_are_listed_newest_first_in_pages(session: Session) -> None:
    for number in range(5):
        audit.append(
            session, actor=trusted("anna"), action="test.done", subject="test:a", number=number
        )
        session.flush()

    first = audit.list_events(session, limit=2)
    rest = audit.list_events(session, before_id=first[-1].id)

    assert [event.details["number"] for event in first + rest] == [4, 3, 2, 1, 0]
    assert (utc_now() - first[0].at).total_seconds() < 60


def test_events_of_one_subject_can_be_asked_for(session: Session) -> None:
    audit.append(session, actor=trusted("anna"), action="test.done", subject="test:a")
    audit.append(session, actor=trusted("anna"), action="test.done", subject="test:b")

    assert [e.subject for e in audit.list_events(session, subject="test:b")] == ["test:b"]


def test_an_event_without_an_actor_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="needs an actor"):
        audit.append(session, actor=trusted(" "), action="test.done", subject="test:a")


def test_a_change_that_is_taken_back_leaves_no_event(engine: Engine) -> None:
    with Session(engine) as session:
        add_line(session, "press", actor=trusted("anna"))
        session.rollback()

        assert audit.list_events(session) == []
