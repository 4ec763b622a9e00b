"""Audit: who changed what, when; for admins."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import current_actor, demand
from dashboard.database import explained, session
from dashboard.markup import count, date_and_time, notice
from dashboard.spreadsheet import to_csv
from dashboard.viewer import zone
from db import audit
from db.access import require
from db.audit import AuditFilter, EventNames
from db.tables import AuditEvent, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE_EVENTS = 100
#: The filters offer what occurs in so many of the newest events; anything else can be typed.
OFFERED_EVENTS = 1000
EXPORT_EVENTS = 10_000
#: The pages before this one, each as the number its events lie below.
_BEFORE = "audit_before"


def page() -> None:
    """The whole page."""
    with explained():
        before: list[int] = st.session_state.setdefault(_BEFORE, [])
        with session() as reads:
            require(reads, current_actor(), Role.ADMIN)
            offered = audit.newest_names(reads, limit=OFFERED_EVENTS)
            only = _filters(offered)
            found = audit.list_events(
                reads,
                limit=PAGE_EVENTS + 1,
                before_id=before[-1] if before else None,
                only=only,
            )
            shown = found[:PAGE_EVENTS]
            if shown:
                st.html(_table(shown))
            else:
                st.html(notice("Nothing was changed", "No event fits what was chosen above."))
        _turn_pages(before, shown, has_older=len(found) > PAGE_EVENTS, only=only)


def _filters(offered: list[EventNames]) -> AuditFilter:
    with st.container(key="audit-filters"):
        who, what, on_what, since, until = st.columns(5)
    with who:
        actor = _choice("Who", (event.actor for event in offered))
    with what:
        action = _choice("What", (event.action for event in offered))
    with on_what:
        subject = _choice("On what", (event.subject for event in offered))
    with since:
        first = _day("From")
    with until:
        last = _day("To")
    return AuditFilter(
        actor,
        action,
        subject,
        since=_midnight(first) if first else None,
        until=_midnight(last + timedelta(days=1)) if last else None,
    )


def _choice(label: str, values: Iterable[str]) -> str | None:
    chosen: str | None = st.selectbox(
        label,
        sorted(set(values)),
        index=None,
        placeholder="all",
        accept_new_options=True,
        key=f"audit-{label}",
        on_change=_first_page,
    )
    return chosen.strip() or None if chosen else None


def _day(label: str) -> date | None:
    chosen = st.date_input(
        label, value=None, key=f"audit-{label}", on_change=_first_page, format="YYYY-MM-DD"
    )
    return chosen if isinstance(chosen, date) else None


def _midnight(day: date) -> datetime:
    """When a day begins for the viewer."""
    return datetime.combine(day, time(), zone()).astimezone(UTC)


def _first_page() -> None:
    st.session_state[_BEFORE] = []


def _newer() -> None:
    st.session_state[_BEFORE].pop()


def _table(events: list[AuditEvent]) -> str:
    rows = "".join(
        f"<tr><td><time>{date_and_time(event.at, zone())}</time></td><td>{_name(event.actor)}</td>"
        f"<td>{_name(event.action)}</td><td>{_name(event.subject)}</td>"
        f"<td>{_details(event)}</td></tr>"
        for event in events
    )
    heads = "".join(f"<th>{head}</th>" for head in ("When", "Who", "What", "On what", "Details"))
    return f'<table class="lw-audit"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _name(text: str) -> str:
    """A name that may be broken where its parts meet."""
    return re.sub(r"([.:_@])", r"\1<wbr>", escape(text))


def _details(event: AuditEvent) -> str:
    """Each detail with its name; lists and nested ones as JSON."""
    return "".join(
        f"<span><i>{escape(str(name).replace('_', ' '))}</i> {escape(_plain(value))}</span>"
        for name, value in event.details.items()
        if value not in ("", None)
    )


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _turn_pages(
    before: list[int], shown: list[AuditEvent], *, has_older: bool, only: AuditFilter
) -> None:
    newer, older, export, _ = st.columns([1, 1, 1.4, 2.6])
    newer.button("Newer", on_click=_newer, disabled=not before,
                 width="stretch")  # fmt: skip
    oldest = shown[-1].id if shown else 0
    older.button("Older", on_click=before.append, args=(oldest,), disabled=not has_older,
                 width="stretch")  # fmt: skip
    export.download_button(
        "Export as CSV",
        data=lambda: _csv(only),
        file_name="audit.csv",
        mime="text/csv",
        on_click="ignore",
        disabled=not shown,
        help=f"What is chosen above, the newest {count(EXPORT_EVENTS)} events at most.",
        width="stretch",
    )


def _csv(only: AuditFilter) -> bytes:
    """The chosen events; in UTC, so that files of different places fit together."""
    with session() as reads:
        require(reads, current_actor(), Role.ADMIN)
        events = audit.list_events(reads, limit=EXPORT_EVENTS, only=only)
    return to_csv(
        ("id", "at_utc", "actor", "action", "subject", "details"),
        (
            (
                str(event.id),
                event.at.isoformat(),
                event.actor,
                event.action,
                event.subject,
                json.dumps(event.details, ensure_ascii=False, sort_keys=True),
            )
            for event in events
        ),
    )


if __name__ == "__main__":
    demand(Role.ADMIN)
    page()
