"""Bulk dismissal on the Review page: what waits under the filters, after a word of warning."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st
import structlog
from sqlalchemy.exc import SQLAlchemyError

from dashboard import deciding
from dashboard.actor import current_actor
from dashboard.database import session
from dashboard.filters import QUEUE_NAMES, is_narrowed
from dashboard.markup import count
from db.dismissals import dismiss
from db.errors import DbError, Forbidden
from db.review_queue import count_open, newest_open

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.review_queue import Wanted

log = structlog.get_logger()


def offer(reads: Session, wanted: Wanted, scope: str) -> None:
    """A button that tells how many would be dismissed and what that means, and asks again."""
    popover = st.popover("Dismiss …", key="dismissing", on_change="rerun")
    if not popover.open:
        return
    newest = newest_open(reads, wanted)
    with popover:
        if not newest:
            st.html("<p>Nothing waits here that could be dismissed.</p>")
            return
        many = count_open(reads, wanted)
        parts = _parts(many)
        filtered = ", under the filters that are set" if is_narrowed(wanted.queue) else ""
        st.html(
            f"<p><b>Dismiss {parts}?</b></p>"
            f"<p>All of “{QUEUE_NAMES[wanted.queue]}” · {escape(scope)}{filtered}. They leave the "
            "queue without being looked at, are recorded as dismissed, and do not count as "
            "reviewed.</p>"
        )
        st.button(
            f"Dismiss {parts}",
            key="dismiss-all",
            type="primary",
            on_click=_dismiss,
            args=(wanted, newest[0].id),
            width="stretch",
        )


def _dismiss(wanted: Wanted, up_to: int) -> None:
    deciding.leave()
    here = deciding.place()
    try:
        with session() as writes, writes.begin():
            done = dismiss(writes, wanted, reviewer=current_actor(), up_to=up_to)
    except Forbidden as error:
        here.note = f"Nothing was dismissed: {error}"
    except (DbError, SQLAlchemyError):
        log.warning("not_dismissed", exc_info=True)
        here.note = "Nothing was dismissed, the database did not take it: try again in a moment"
    else:
        verb = "was" if done == 1 else "were"
        here.note = f"{_parts(done)} {verb} dismissed; that does not count as reviewed"


def _parts(number: int) -> str:
    return "1 part" if number == 1 else f"{count(number)} parts"
