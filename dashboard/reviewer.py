"""Who is reviewing: whoever uses the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.actor import current_actor

if TYPE_CHECKING:
    from db.access import Actor


def reviewer() -> str:
    """The name decisions are stored under."""
    return current_actor().name


def reviewer_actor() -> Actor:
    """Who decides."""
    return current_actor()
