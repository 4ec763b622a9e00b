"""The chain of hashes of the audit trail."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db import audit
from db.access import trusted
from db.audit_chain import GENESIS, verify
from db.tables import AuditChain

if TYPE_CHECKING:
    from sqlalchemy import Engine

ANNA = trusted("anna")


def tell(session: Session, count: int) -> None:
    """So many events, a transaction each."""
    for number in range(count):
        audit.append(session, actor=ANNA, action="test.done", subject="test:a", number=number)
        session.commit()


def tamper(session: Session, *statements: str) -> None:
    """Change what cannot be changed, as whoever owns the database can."""
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    if on_sqlite:
        session.execute(text("DROP TRIGGER audit_events_no_update"))
        session.execute(text("DROP TRIGGER audit_events_no_delete"))
    else:
        session.execute(text("SET LOCAL session_replication_role = replica"))
    for statement in statements:
        session.execute(text(statement))
    session.commit()


def test_a_trail_without_events_is_whole(session: Session) -> None:
    assert verify(session) == (found := verify(session, (0, GENESIS)))
    assert (found.events, found.newest, found.problem) == (0, GENESIS, None)


def test_events_of_many_transactions_hang_together(session: Session) -> None:
    tell(session, 3)
    audit.append(
        session, actor=ANNA, action="a.b", subject="c:d", share=0.1, name="Ü", of=[1, None]
    )
    audit.append(session, actor=ANNA, action="a.b", subject="c:e")
    session.commit()

    found = verify(session)

    assert (found.events, found.problem) == (5, None)
    assert session.get_one(AuditChain, 1).hash == found.newest


@pytest.mark.parametrize(
    ("change", "whole", "problem"),
    [
        ("UPDATE audit_events SET actor = 'bert' WHERE position = 3", 2, "event 3 .*was changed"),
        ("UPDATE audit_events SET details = '{}' WHERE position = 2", 1, "event 2 .*was changed"),
        ("DELETE FROM audit_events WHERE position = 2", 1, "event 2 is missing"),
        ("DELETE FROM audit_events WHERE position IN (2, 3)", 1, "event 2 and more is missing"),
        ("DELETE FROM audit_events WHERE position = 5", 4, "ends at event 4, of 5 events"),
        ("DELETE FROM audit_chain", 5, "ends at event 5, of nothing"),
    ],
)
def test_what_was_done_to_it_is_said(
    session: Session, change: str, whole: int, problem: str
) -> None:
    tell(session, 5)

    tamper(session, change)

    found = verify(session)
    assert found.events == whole
    assert found.problem is not None
    assert re.search(problem, found.problem)
    if "audit_chain" in change:
        session.add(AuditChain(id=1, length=0, hash=GENESIS))
        session.commit()


def test_two_events_that_changed_places_are_found(session: Session) -> None:
    tell(session, 3)

    tamper(
        session,
        "UPDATE audit_events SET position = 9 WHERE position = 1",
        "UPDATE audit_events SET position = 1 WHERE position = 2",
        "UPDATE audit_events SET position = 2 WHERE position = 9",
    )

    assert verify(session).problem == "event 1 (test.done of test:a) was changed, or put in"


def test_a_chain_made_anew_differs_from_what_was_written_down(session: Session) -> None:
    tell(session, 3)
    kept = verify(session)
    tamper(
        session,
        "DELETE FROM audit_events",
        f"UPDATE audit_chain SET length = 0, hash = '{GENESIS}'",  # noqa: S608
    )
    assert verify(session, (kept.events, kept.newest)).problem == (
        "the chain ends at event 0, before the expected 3"
    )

    tell(session, 4)

    assert verify(session).problem is None
    assert verify(session, (kept.events, kept.newest)).problem == (
        "event 3 has another hash than expected: history was rewritten"
    )


@pytest.mark.parametrize("table", ["audit_events", "reviews"])
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_what_is_told_cannot_be_changed_or_removed(
    session: Session, table: str, change: str
) -> None:
    tell(session, 1)
    if table == "reviews" and session.get_bind().dialect.name == "sqlite":
        pytest.skip("SQLite asks for each row, and there is none; see tests of reviews")

    with pytest.raises(DBAPIError, match=f"{table} can only be added to"):
        session.execute(text(change.format(table)))


def test_what_a_savepoint_took_back_is_not_told(session: Session) -> None:
    audit.append(session, actor=ANNA, action="test.before", subject="test:a")
    inside = session.begin_nested()
    audit.append(session, actor=ANNA, action="test.inside", subject="test:a")
    inside.rollback()
    audit.append(session, actor=ANNA, action="test.after", subject="test:a")
    session.commit()

    told = [event.action for event in audit.list_events(session)]

    assert told == ["test.after", "test.before"]
    assert verify(session).problem is None


def test_writers_at_the_same_time_make_one_chain(engine: Engine) -> None:
    def write() -> None:
        with Session(engine) as session:
            tell(session, 10)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with Session(engine) as session:
        found = verify(session)
    assert (found.events, found.problem) == (40, None)
