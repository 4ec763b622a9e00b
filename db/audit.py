"""The audit trail: who changed what, when. Append-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from db.tables import AuditEvent

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.access import Actor


def append(session: Session, *, actor: Actor, action: str, subject: str, **details: Any) -> None:
    """Add an event to the transaction of the change it tells of.

    Args:
        actor: the person or program; whether they may is checked by whoever makes the change.
        action: subject.verb, such as "model.activated".
        subject: kind:name, such as "line:press-4".
        details: what else to know; must be JSON.
    """
    session.add(AuditEvent(actor=actor.name, action=action, subject=subject, details=details))


def list_events(
    session: Session, *, limit: int = 100, before_id: int | None = None, subject: str | None = None
) -> list[AuditEvent]:
    """Events, newest first; `before_id` continues after the last one of the page before."""
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(AuditEvent.id < before_id)
    if subject is not None:
        query = query.where(AuditEvent.subject == subject)
    return list(session.scalars(query))
