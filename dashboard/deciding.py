"""Where a reviewer stands in the queue, and what the buttons of the Review page do.

The place is kept in the browser's session. Cards are ordered by inspection, newest first; new
frames arrive in front of the place and never change the card a person is looking at. The card on
show is claimed, so that no other browser shows it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st
import structlog
from sqlalchemy.exc import SQLAlchemyError

from dashboard import proposal
from dashboard.actor import current_actor
from dashboard.card import is_blind
from dashboard.database import session, store
from dashboard.markup import sentence
from db import review_claims, review_queue, reviews
from db.errors import BadMask, Conflict, DbError, Forbidden, NotFound
from db.masks import put_mask
from db.opinions import OF_SOMEBODY_ELSE, standing
from db.tables import Decision, ReviewQueue

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from dashboard.proposal import Proposal
    from db.inspections import InspectionView
    from db.review_queue import Wanted
    from db.tables import Review

#: Nobody sees a card and decides faster: an earlier press was meant for the card before.
MIN_LOOK_S = 0.25
#: The card on show, and the next ones, whose pictures are rendered ahead.
CARDS_AHEAD = 3
#: Widget key of the queue, which undo may have to go back to.
QUEUE_KEY = "queue"
MEANWHILE = "That part was decided by someone else meanwhile"
_KEY = "review_place"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Done:
    """A review of this session, for undo."""

    review_id: int
    inspection_id: int
    queue: ReviewQueue


@dataclass(slots=True)
class Look:
    """The card on show."""

    frame: InspectionView
    queue: ReviewQueue
    #: What people have said about it so far, oldest first.
    words: list[Review]
    began: float = field(default_factory=time.monotonic)
    #: Whether the mask on show is stored with `defect`.
    is_mask_accepted: bool = True
    #: A mask drawn on this card.
    drawn: Proposal | None = None
    is_drawing: bool = False
    #: Whether a press was refused, so that what is shown must be read again.
    is_outdated: bool = False
    #: Since when the defect's class is asked for; None: it is not.
    choosing_since: float | None = None

    def proposed(self) -> Proposal | None:
        """An earlier reviewer's mask, or else the machine's; none where it would tell too much."""
        earlier = next((w.mask_key for w in reversed(self.words) if w.mask_key), None)
        if earlier is not None:
            return proposal.of_stored_mask(earlier, self.frame)
        return None if is_blind(self.frame) else proposal.of_map(self.frame)

    def shown_mask(self) -> Proposal | None:
        """The mask whose contour is drawn: one drawn on this card before any other."""
        return self.drawn or self.proposed()


@dataclass(slots=True)
class Place:
    """Where this browser's reviewer stands."""

    #: Two windows of one person are two.
    holder: str = field(default_factory=lambda: uuid4().hex)
    #: The next card is the newest one older than this inspection; None: the newest of all.
    older_than: int | None = None
    #: None: another card comes.
    look: Look | None = None
    #: This session's reviews, for undo.
    done: list[Done] = field(default_factory=list)
    #: What the reviewer should know about the last press.
    note: str | None = None

    def go_to(self, older_than: int | None, note: str | None = None) -> None:
        """Leave the card on show."""
        self.older_than = older_than
        self.look = None
        self.note = note


def place() -> Place:
    """This browser's place."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Place()
    found: Place = st.session_state[_KEY]
    return found


def cards(writes: Session, wanted: Wanted) -> list[InspectionView]:
    """Claim the card to show, and give it and those after it; after the oldest comes the newest.

    Commit before the card is shown.
    """
    here = place()
    found = _take(writes, wanted, here.older_than)
    if here.older_than is not None and not found:
        found = _take(writes, wanted, None)
    first = found[0] if found else None
    was = here.look
    is_gone = was is not None and (first is None or was.frame.id != first.id)
    if is_gone and was is not None and was.queue is wanted.queue:
        here.note = MEANWHILE
    if first is None:
        here.look = None
    elif was is None or was.frame.id != first.id or was.is_outdated:
        # Where nobody is asked for another opinion, nobody has spoken.
        asks_again = wanted.queue in OF_SOMEBODY_ELSE
        words = standing(writes, first.id) if asks_again else []
        writes.expunge_all()
        here.look = Look(first, wanted.queue, words)
    here.older_than = None if first is None else first.id + 1
    return found


def decide(shown: int, decision: Decision, defect_class: str | None = None) -> None:
    """Store a person's word on the card on show, and go on."""
    here = place()
    look = _looked_at(here, shown)
    if look is None:
        return
    try:
        mask_key = _accepted_mask(look) if decision is Decision.DEFECT else None
        with session() as writes, writes.begin():
            if not review_claims.renew(writes, here.holder, shown):
                here.go_to(shown, "Somebody else has that part on their screen by now")
                return
            review = reviews.add_review(
                writes,
                shown,
                decision,
                reviewer=current_actor(),
                after=look.words[-1].id if look.words else None,
                defect_class=defect_class,
                mask_key=mask_key,
            )
            done = Done(review.id, shown, look.queue)
    except (Conflict, NotFound, Forbidden, BadMask) as error:
        # The next look shows whether the card still waits; if so, it stays, with this word.
        look.is_outdated = True
        here.note = sentence(str(error))
    except (DbError, SQLAlchemyError):
        _not_stored(here)
    else:
        here.done.append(done)
        here.go_to(shown)


def defect(shown: int, *, has_classes: bool) -> None:
    """Decide `defect`; where the line has classes, ask for the class first, and only once."""
    look = _looked_at(place(), shown)
    if look is None:
        return
    now = time.monotonic()
    if has_classes and look.choosing_since is None:
        look.choosing_since = now
    elif not has_classes or now - (look.choosing_since or 0.0) >= MIN_LOOK_S:
        decide(shown, Decision.DEFECT)


def undo() -> None:
    """Take back this session's last decision and show its card again."""
    here = place()
    if not here.done:
        return
    last = here.done[-1]
    try:
        with session() as writes, writes.begin():
            reviews.undo(writes, last.review_id, reviewer=current_actor())
    except (Conflict, NotFound):
        here.done.pop()
        here.note = "Your last decision was changed by someone else and stays as it is"
    except Forbidden as error:
        here.note = sentence(str(error))
    except (DbError, SQLAlchemyError):
        _not_stored(here)
    else:
        here.done.pop()
        st.session_state[QUEUE_KEY] = last.queue
        here.go_to(last.inspection_id + 1, "Your last decision was taken back")


def skip(shown: int) -> None:
    """Leave the card undecided and show the next older one."""
    place().go_to(shown)


def back(shown: int, wanted: Wanted) -> None:
    """Show the next newer card."""
    here = place()
    try:
        with session() as reads:
            newer = review_queue.next_newer(reads, wanted, shown)
    except (DbError, SQLAlchemyError):
        log.warning("newer_part_not_read", exc_info=True)
        here.note = "The database cannot be read: press again in a moment"
        return
    if newer is None:
        here.note = "This is the newest part"
    else:
        here.go_to(newer.id + 1)


def toggle_mask(shown: int) -> None:
    """Accept the mask with `defect`, or none."""
    look = _of(place(), shown)
    if look is not None:
        look.is_mask_accepted = not look.is_mask_accepted


def draw(shown: int, *, begin: bool = True) -> None:
    """Begin to draw a mask on the card, or leave it."""
    look = _of(place(), shown)
    if look is not None:
        look.is_drawing = begin


def keep_claim() -> bool:
    """Hold the card on show for longer; False if somebody else has taken it over."""
    here = place()
    if here.look is None:
        return True
    try:
        with session() as writes, writes.begin():
            if review_claims.renew(writes, here.holder, here.look.frame.id):
                return True
    except (DbError, SQLAlchemyError):
        log.warning("claim_not_renewed", exc_info=True)
        return True
    here.go_to(here.look.frame.id, "Somebody else has that part on their screen by now")
    return False


def leave() -> None:
    """Free the card on show: the page is left, or another queue is chosen."""
    here: Place | None = st.session_state.get(_KEY)
    if here is None or here.look is None:
        return
    here.go_to(None)
    try:
        with session() as writes, writes.begin():
            review_claims.release(writes, here.holder)
    except (DbError, SQLAlchemyError):
        # The claim ends by itself soon.
        log.warning("claim_not_released", exc_info=True)


def _take(writes: Session, wanted: Wanted, older_than: int | None) -> list[InspectionView]:
    return review_queue.take(writes, wanted, older_than=older_than, limit=CARDS_AHEAD)


def _of(here: Place, shown: int) -> Look | None:
    return here.look if here.look is not None and here.look.frame.id == shown else None


def _looked_at(here: Place, shown: int) -> Look | None:
    """The card, if a press can have been meant for it."""
    look = _of(here, shown)
    if look is None or time.monotonic() - look.began < MIN_LOOK_S:
        return None
    return look


def _accepted_mask(look: Look) -> str | None:
    """Store the mask that goes with `defect`; the picture first, so that no row names a gap."""
    if not look.is_mask_accepted:
        return None
    mask = look.shown_mask()
    height, width = look.frame.height_px, look.frame.width_px
    if mask is None or height is None or width is None:
        return None
    return put_mask(store(), mask.png, height_px=height, width_px=width)


def _not_stored(here: Place) -> None:
    """The database or the store failed: the card stays, the page says so, the log says why."""
    log.warning("decision_not_stored", exc_info=True)
    here.note = (
        "Not stored, the database or the image store did not take it: press again in a moment"
    )
