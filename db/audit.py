"""The audit trail: who changed what, when. Append-only, in a chain of hashes (`db.audit_chain`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from db.audit_chain import chain
from db.tables import AuditEvent, utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from db.access import Actor

#: Transactions that run at once number their events and read the clock in any order; no more than
#: so many events lie between those of one moment.
OUT_OF_ORDER = 1000


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to list; None: all."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    #: The first moment.
    since: datetime | None = None
    #: The first moment that does not belong to it any more.
    until: datetime | None = None


class EventNames(NamedTuple):
    """By which events can be asked for."""

    actor: str
    action: str
    subject: str


def append(session: Session, *, actor: Actor, action: str, subject: str, **details: Any) -> None:
    """Add an event to the transaction of the change it tells of.

    Args:
        actor: the person or program; whether they may is checked by whoever makes the change.
        action: subject.verb, such as "model.activated".
        subject: kind:name, such as "line:press-4".
        details: what else to know; must be JSON.
    """
    event = AuditEvent(
        at=utc_now(), actor=actor.name, action=action, subject=subject, details=details
    )
    chain(session, event)


def newest_names(session: Session, *, limit: int) -> list[EventNames]:
    """Who did what to what, in the newest events: without their details, of which some are long."""
    query = select(AuditEvent.actor, AuditEvent.action, AuditEvent.subject)
    newest = query.order_by(AuditEvent.id.desc()).limit(limit)
    return [EventNames(*names) for names in session.execute(newest)]


def list_events(
    session: Session,
    *,
    limit: int = 100,
    before_id: int | None = None,
    subject: str | None = None,
    only: AuditFilter | None = None,
) -> list[AuditEvent]:
    """Events, newest first; `before_id` continues after the last one of the page before."""
    only = only or AuditFilter(subject=subject)
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(AuditEvent.id < before_id)
    for column, value in (
        (AuditEvent.actor, only.actor),
        (AuditEvent.action, only.action),
        (AuditEvent.subject, only.subject),
    ):
        if value is not None:
            query = query.where(column == value)
    return list(session.scalars(query.where(*_within(session, only))))


def _within(session: Session, only: AuditFilter) -> list[ColumnElement[bool]]:
    """The wanted time, also as numbers of events: they bound what the database has to look at."""
    numbers = select(AuditEvent.id)
    conditions: list[ColumnElement[bool]] = []
    if only.since is not None:
        first = session.scalar(
            numbers.where(AuditEvent.at >= only.since).order_by(AuditEvent.at).limit(1)
        )
        conditions.append(AuditEvent.at >= only.since)
        if first is not None:
            conditions.append(AuditEvent.id >= first - OUT_OF_ORDER)
    if only.until is not None:
        last = session.scalar(
            numbers.where(AuditEvent.at < only.until).order_by(AuditEvent.at.desc()).limit(1)
        )
        conditions.append(AuditEvent.at < only.until)
        conditions.append(AuditEvent.id <= (-1 if last is None else last + OUT_OF_ORDER))
    return conditions
