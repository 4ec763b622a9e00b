"""The hash chain of the audit trail: who changes, removes or inserts an event breaks it.

Every event holds the SHA-256 of its own words and of the event before. `audit_chain` holds the
newest one's, so that a tail that was cut off shows. Whoever may write everything can compute the
whole chain anew: a hash that was written down elsewhere shows that, too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from db.tables import AuditChain, AuditEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import SessionTransaction

#: Before the first event.
GENESIS = "0" * 64
_HEAD_ID = 1
_WAITING = "audit_events"
_AT_ONCE = 1_000


def link(
    previous: str, position: int, at: str, actor: str, action: str, subject: str, details: Any
) -> str:
    """The hash of an event.

    Args:
        previous: the hash of the event before, or GENESIS.
        position: its place in the chain, from 1.
        at: ISO 8601, UTC, with microseconds.
        details: as they come back from JSON.
    """
    words = [previous, position, at, actor, action, subject, details]
    text = json.dumps(words, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def chain(session: Session, added: AuditEvent) -> None:
    """Add an event to the session's transaction; it gets its place when that is committed.

    Only then, as all writers wait for each other from there on: no transaction holds them up, and
    none locks other rows after this one.
    """
    inside = session.get_nested_transaction()
    session.info.setdefault(_WAITING, []).append((added, inside))


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    if session.in_nested_transaction():
        return
    waiting = [added for added, _ in session.info.pop(_WAITING, [])]
    if not waiting:
        return
    session.flush()
    # An update that changes nothing locks on both databases.
    session.execute(update(AuditChain).values(id=AuditChain.id))
    length, newest = session.execute(select(AuditChain.length, AuditChain.hash)).one()
    for added in waiting:
        length += 1
        added.details = json.loads(json.dumps(added.details))
        added.position, added.hash = length, newest = length, _hash(newest, length, added)
    session.add_all(waiting)
    session.execute(update(AuditChain).values(length=length, hash=newest))
    session.flush()


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    waiting = session.info.get(_WAITING, [])
    if ended.nested:
        waiting[:] = [(added, inside) for added, inside in waiting if inside is not ended]
    else:
        waiting.clear()


def _hash(previous: str, position: int, row: AuditEvent) -> str:
    at = row.at.isoformat(timespec="microseconds")
    return link(previous, position, at, row.actor, row.action, row.subject, row.details)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a walk along the chain found."""

    #: Events that hang together, from the first.
    events: int
    #: The hash of the last of them: kept elsewhere, it proves later that nothing before it changed.
    newest: str
    #: What is wrong after them; None: nothing.
    problem: str | None


def verify(session: Session, expected: tuple[int, str] | None = None) -> Verified:
    """Walk along the whole chain.

    Args:
        expected: a length and hash that a verification gave before.
    """
    position, newest = 0, GENESIS
    found_expected = expected is None or expected == (0, GENESIS)
    for row in _events(session):
        problem = _problem(position, newest, row)
        if problem:
            return Verified(position, newest, problem)
        position, newest = row.position, row.hash
        if expected is not None and position == expected[0]:
            if newest != expected[1]:
                problem = f"event {position} has another hash than expected: history was rewritten"
                return Verified(position - 1, newest, problem)
            found_expected = True
    head = session.get(AuditChain, _HEAD_ID)
    if head is None or (head.length, head.hash) != (position, newest):
        told = "nothing" if head is None else f"{head.length} events"
        return Verified(position, newest, f"the chain ends at event {position}, of {told}")
    if not found_expected and expected is not None:
        problem = f"the chain ends at event {position}, before the expected {expected[0]}"
        return Verified(position, newest, problem)
    return Verified(position, newest, None)


def _problem(position: int, newest: str, row: AuditEvent) -> str | None:
    if row.position != position + 1:
        missing = f"{position + 1}" if row.position == position + 2 else f"{position + 1} and more"
        return f"event {missing} is missing before {row.position}"
    if row.hash != _hash(newest, row.position, row):
        return f"event {row.position} ({row.action} of {row.subject}) was changed, or put in"
    return None


def _events(session: Session) -> Iterator[AuditEvent]:
    after = 0
    while True:
        query = select(AuditEvent).where(AuditEvent.position > after)
        rows = session.scalars(query.order_by(AuditEvent.position).limit(_AT_ONCE)).all()
        if not rows:
            return
        yield from rows
        after = rows[-1].position
        session.expunge_all()
