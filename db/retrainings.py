"""Retrainings of a line: one open at a time, from the wish to its end.

The row is the truth, not the queue: a job that is lost is enqueued again for it, and a job whose
row is closed does nothing.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from db import audit
from db.access import require, trusted
from db.errors import Conflict, NotFound
from db.inserting import insert_if_absent
from db.sample_pools import looked_over
from db.tables import (
    Line,
    Retraining,
    RetrainingReason,
    RetrainingState,
    Role,
    Sample,
    utc_now,
)
from db.teachings import training_ended

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from db.access import Actor

OPEN = (RetrainingState.WAITING.value, RetrainingState.RUNNING.value)
#: Who writes what becomes of a retraining.
MACHINE = trusted("retraining")


class Wish(StrEnum):
    """What a running retraining is to do next."""

    GO_ON = "go_on"
    #: A person asked for its end.
    CANCEL = "cancel"
    #: It was given up as dead: somebody else may be at it.
    GIVE_UP = "give_up"


def request(
    session: Session,
    line: Line,
    *,
    reason: RetrainingReason,
    actor: Actor,
    detector: str = "bgad",
    teaching_id: int | None = None,
) -> Retraining:
    """Ask for a new model of `line`; a trainer begins with it when it is free.

    Args:
        detector: the method to train.
        teaching_id: learn from this teaching's frames only.

    Raises:
        Forbidden: if `actor` is no engineer.
        Conflict: if a retraining of the line waits or runs.
    """
    require(session, actor, Role.ENGINEER)
    # The index decides, so that two at once are one.
    insert = insert_if_absent(session, Retraining).values(
        line_id=line.id,
        reason=reason.value,
        detector=detector,
        teaching_id=teaching_id,
        requested_by=actor.name,
    )
    added = session.scalar(insert.returning(Retraining.id))
    if added is None:
        raise Conflict(
            f"a retraining of line {line.name!r} is under way: wait for its end, or cancel it"
        )
    _tell(session, "retraining.requested", line.id, actor, id=added, reason=reason.value)
    return get_retraining(session, added)


def get_retraining(session: Session, retraining_id: int) -> Retraining:
    """One retraining as it is now; raises NotFound."""
    found = session.get(Retraining, retraining_id, populate_existing=True)
    if found is None:
        raise NotFound(f"there is no retraining {retraining_id}")
    return found


def list_retrainings(session: Session, line_id: int, limit: int = 20) -> list[Retraining]:
    """A line's retrainings, newest first."""
    query = select(Retraining).where(Retraining.line_id == line_id)
    return list(session.scalars(query.order_by(Retraining.id.desc()).limit(limit)))


def open_retraining(session: Session, line_id: int) -> Retraining | None:
    """The line's retraining that waits or runs; None if there is none."""
    query = select(Retraining).where(Retraining.line_id == line_id, Retraining.state.in_(OPEN))
    return session.scalar(query)


def waiting_ids(session: Session) -> list[int]:
    """The retrainings of all lines that wait for a trainer, oldest first."""
    waiting = Retraining.state == RetrainingState.WAITING
    return list(session.scalars(select(Retraining.id).where(waiting).order_by(Retraining.id)))


def ask_to_cancel(session: Session, retraining_id: int, *, actor: Actor) -> Retraining:
    """End a retraining: at once if it waits, else at its next step.

    Raises:
        Forbidden: if `actor` is no engineer.
        NotFound: if there is no such retraining.
        Conflict: if it has ended.
    """
    require(session, actor, Role.ENGINEER)
    now = utc_now()
    asked = {"cancel_asked_at": now, "cancel_asked_by": actor.name}
    ended = asked | {"finished_at": now, "state": RetrainingState.CANCELLED.value}
    message = {"message": f"cancelled by {actor.name} before it began"}
    if not _change(session, retraining_id, RetrainingState.WAITING, **ended, **message) and not (
        _change(session, retraining_id, RetrainingState.RUNNING, **asked)
    ):
        found = get_retraining(session, retraining_id)
        raise Conflict(f"retraining {retraining_id} has ended already: it is {found.state}")
    found = get_retraining(session, retraining_id)
    _tell(session, "retraining.cancel_asked", found.line_id, actor, id=retraining_id)
    if found.state == RetrainingState.CANCELLED:
        _tell_teaching(session, found)
    return found


def begin(session: Session, retraining_id: int) -> Retraining | None:
    """Take a waiting retraining; None if it does not wait: another trainer has it, or it ended."""
    now = utc_now()
    values: dict[str, Any] = {"started_at": now, "heartbeat_at": now, "stage": "", "done": 0}
    values |= {"state": RetrainingState.RUNNING.value, "total": 0, "message": ""}
    if not _change(session, retraining_id, RetrainingState.WAITING, **values):
        return None
    found = get_retraining(session, retraining_id)
    _tell(session, "retraining.started", found.line_id, MACHINE, id=retraining_id)
    return found


def report(
    session: Session, retraining_id: int, *, stage: str, done: int, total: int, now: datetime
) -> Wish:
    """Say that a retraining lives and how far it is; returns what it is to do."""
    alive = {"heartbeat_at": now, "stage": stage[:64], "done": done, "total": total}
    if not _change(session, retraining_id, RetrainingState.RUNNING, **alive):
        return Wish.GIVE_UP
    asked = session.scalar(select(Retraining.cancel_asked_at).where(Retraining.id == retraining_id))
    return Wish.GO_ON if asked is None else Wish.CANCEL


def note_snapshot(session: Session, retraining_id: int, snapshot_id: int) -> None:
    """Remember what a running retraining learns from."""
    _change(session, retraining_id, RetrainingState.RUNNING, snapshot_id=snapshot_id)


def finish(
    session: Session,
    retraining_id: int,
    state: RetrainingState,
    *,
    message: str = "",
    model_version_id: int | None = None,
) -> bool:
    """End a running retraining; False if it does not run any more, and nothing was changed.

    With DONE also False if someone asked for its cancellation: nothing may go live then.
    """
    ended: dict[str, Any] = {"state": state.value, "finished_at": utc_now(), "message": message}
    conditions = []
    if state is RetrainingState.DONE:
        conditions.append(Retraining.cancel_asked_at.is_(None))
        ended["model_version_id"] = model_version_id
    if not _change(session, retraining_id, RetrainingState.RUNNING, *conditions, **ended):
        return False
    found = get_retraining(session, retraining_id)
    details = {"id": retraining_id, "message": message}
    _tell(session, f"retraining.{state.value}", found.line_id, MACHINE, **details)
    _tell_teaching(session, found)
    return True


def give_back(session: Session, retraining_id: int) -> bool:
    """Let a running retraining wait again, since its trainer is stopped; False if it ended."""
    return _change(
        session,
        retraining_id,
        RetrainingState.RUNNING,
        Retraining.cancel_asked_at.is_(None),
        state=RetrainingState.WAITING.value,
        heartbeat_at=None,
        started_at=None,
        stage="",
        done=0,
        total=0,
    )


def fail_silent(session: Session, *, now: datetime, silent_s: float) -> list[int]:
    """Mark as failed, or as cancelled, what runs but was silent for `silent_s`; returns the ids."""
    is_silent = Retraining.heartbeat_at < now - timedelta(seconds=silent_s)
    running = Retraining.state == RetrainingState.RUNNING
    silent = session.scalars(select(Retraining).where(running, is_silent)).all()
    ended = []
    for one in silent:
        state, message = (
            RetrainingState.FAILED,
            (
                f"nothing was heard of it for {silent_s:.0f} s: its trainer was killed or lost the "
                "database; the line's model is untouched"
            ),
        )
        if one.cancel_asked_at is not None:
            state, message = RetrainingState.CANCELLED, f"cancelled by {one.cancel_asked_by}"
        if finish(session, one.id, state, message=message):
            ended.append(one.id)
    return ended


def last_finished(session: Session, line_id: int) -> Retraining | None:
    """The line's retraining that ended last; None if none has."""
    query = select(Retraining).where(
        Retraining.line_id == line_id, Retraining.finished_at.is_not(None)
    )
    return session.scalar(query.order_by(Retraining.id.desc()).limit(1))


def has_news(session: Session, line_id: int, since: datetime | None) -> bool:
    """Whether a sample came, changed or was taken out since then; None: whether there are any."""
    changed = select(Sample.id).where(Sample.line_id == line_id, looked_over()).limit(1)
    if since is not None:
        changed = changed.where(Sample.changed_at > since)
    return session.scalar(changed) is not None


def _change(
    session: Session, retraining_id: int, if_in: RetrainingState, *conditions: Any, **values: Any
) -> bool:
    """Update a retraining if it is in the state `if_in`; whether it was."""
    changed = session.execute(
        update(Retraining)
        .where(Retraining.id == retraining_id, Retraining.state == if_in.value, *conditions)
        .values(**values)
        .returning(Retraining.id)
    )
    return changed.scalar() is not None


def _tell_teaching(session: Session, ended: Retraining) -> None:
    if ended.teaching_id is not None:
        has_model = ended.model_version_id is not None
        training_ended(session, ended.teaching_id, has_model=has_model)


def _tell(session: Session, action: str, line_id: int, actor: Actor, **details: Any) -> None:
    line = session.get_one(Line, line_id)
    audit.append(session, actor=actor, action=action, subject=f"line:{line.name}", **details)
