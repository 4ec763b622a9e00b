"""Where a reviewer stands in the queue, and what the buttons of the Review page do.

The place is kept in the browser's session. Cards are ordered by inspection, newest first; new
frames arrive in front of the place and never change the card a person is looking at.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st
import structlog
from sqlalchemy.exc import SQLAlchemyError

from dashboard.database import session
from db import review_queue, reviews
from db.access import trusted
from db.errors import Conflict, DbError, NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.inspections import InspectionView
    from db.tables import Decision

#: Nobody sees a card and decides faster: an earlier press was meant for the card before.
MIN_LOOK_S = 0.25
#: The card on show, and the next ones, whose pictures are rendered ahead.
CARDS_AHEAD = 3
MEANWHILE = "That part was decided by someone else meanwhile"
_KEY = "review_place"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the queue is reviewed."""

    line_ids: tuple[int, ...]
    camera_id: int | None = None


@dataclass(slots=True)
class Place:
    """Where this browser's reviewer stands."""

    #: The next card is the newest one older than this inspection; None: the newest of all.
    older_than: int | None = None
    #: The inspection on show, and since when; None: another one comes.
    shown: int | None = None
    shown_at: float = 0.0
    #: This session's reviews and their inspections, for undo.
    done: list[tuple[int, int]] = field(default_factory=list)
    #: What the reviewer should know about the last press.
    note: str | None = None

    def go_to(self, older_than: int | None, note: str | None = None) -> None:
        """Leave the card on show."""
        self.older_than = older_than
        self.shown = None
        self.note = note


def place() -> Place:
    """This browser's place."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Place()
    found: Place = st.session_state[_KEY]
    return found


def cards(reads: Session, scope: Scope) -> list[InspectionView]:
    """The card to show and the ones after it; after the oldest one the newest comes again."""
    here = place()
    found = _read(reads, scope, here.older_than)
    if here.older_than is not None and not found:
        found = _read(reads, scope, None)
    first = found[0].id if found else None
    if here.shown is not None and here.shown != first:
        here.note = MEANWHILE
    if here.shown != first:
        here.shown, here.shown_at = first, time.monotonic()
    here.older_than = None if first is None else first + 1
    return found


def decide(inspection_id: int, decision: Decision, reviewer: str) -> None:
    """Store a person's word on the card on show, and go on."""
    here = place()
    if inspection_id != here.shown or time.monotonic() - here.shown_at < MIN_LOOK_S:
        return
    try:
        with session() as writes, writes.begin():
            review = reviews.add_review(writes, inspection_id, decision, reviewer=trusted(reviewer))
            done = (review.id, inspection_id)
    except (Conflict, NotFound):
        here.go_to(inspection_id, MEANWHILE)
    except (DbError, SQLAlchemyError):
        _not_stored(here)
    else:
        here.done.append(done)
        here.go_to(inspection_id)


def undo(reviewer: str) -> None:
    """Take back this session's last decision and show its card again."""
    here = place()
    if not here.done:
        return
    review_id, inspection_id = here.done[-1]
    try:
        with session() as writes, writes.begin():
            reviews.undo(writes, review_id, reviewer=trusted(reviewer))
    except (Conflict, NotFound):
        here.done.pop()
        here.note = "Your last decision was changed by someone else and stays as it is"
    except (DbError, SQLAlchemyError):
        _not_stored(here)
    else:
        here.done.pop()
        here.go_to(inspection_id + 1, "Your last decision was taken back")


def _not_stored(here: Place) -> None:
    """The database failed: the card stays, the page says so, the log says why."""
    log.warning("decision_not_stored", exc_info=True)
    here.note = "Not stored, the database did not take it: press again in a moment"


def skip(inspection_id: int) -> None:
    """Leave the card undecided and show the next older one."""
    place().go_to(inspection_id)


def back(inspection_id: int, scope: Scope) -> None:
    """Show the next newer card."""
    with session() as reads:
        newer = review_queue.next_newer(
            reads, scope.line_ids, inspection_id, camera_id=scope.camera_id
        )
    if newer is None:
        place().note = "This is the newest part"
    else:
        place().go_to(newer.id + 1)


def _read(reads: Session, scope: Scope, older_than: int | None) -> list[InspectionView]:
    return review_queue.newest_open(
        reads,
        scope.line_ids,
        camera_id=scope.camera_id,
        older_than=older_than,
        limit=CARDS_AHEAD,
    )
