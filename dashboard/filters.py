"""Which queue is reviewed and what of it: the bar above the card. Choices live in the session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import deciding
from dashboard.actor import current_actor
from dashboard.deciding import QUEUE_KEY
from dashboard.markup import count
from dashboard.viewer import zone
from db import lines
from db.defect_classes import list_classes
from db.opinions import OF_SOMEBODY_ELSE
from db.review_queue import Wanted, model_numbers
from db.tables import ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

ALL_LINES = "All lines"
QUEUE_NAMES = {
    ReviewQueue.FLAGGED: "Flagged",
    ReviewQueue.AUDIT: "Audit",
    ReviewQueue.SECOND_OPINION: "Second opinion",
    ReviewQueue.DISAGREEMENT: "Disagreement",
}
SCOPE, SINCE, UNTIL = "scope", "filter_since", "filter_until"
LOW, HIGH, CLASS, MODEL = "filter_low", "filter_high", "filter_class", "filter_model"
NARROWING = (SINCE, UNTIL, LOW, HIGH, CLASS, MODEL)


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything, a line, or one of its cameras."""

    line_ids: tuple[int, ...]
    camera_id: int | None = None


def read_scopes(reads: Session, names: Mapping[int, str]) -> dict[str, Scope]:
    """What the reviewer can choose to see parts from."""
    scopes = {ALL_LINES: Scope(tuple(names))}
    for line_id, name in names.items():
        scopes[name] = Scope((line_id,))
        cameras = lines.list_cameras(reads, line_id)
        if len(cameras) > 1:
            for camera in cameras:
                scopes[f"{name} · {camera.name}"] = Scope((line_id,), camera.id)
    return scopes


def chosen(scopes: Mapping[str, Scope]) -> Wanted:
    """What the reviewer chose; the fields are drawn later, in their place."""
    scope = scopes.get(str(_chosen(SCOPE)), scopes[ALL_LINES])
    queue = ReviewQueue(_chosen(QUEUE_KEY) or ReviewQueue.FLAGGED)
    until = _midnight(_chosen(UNTIL))
    offered = _offered(queue)
    return Wanted(
        scope.line_ids,
        queue,
        camera_id=scope.camera_id,
        since=_midnight(_chosen(SINCE)),
        until=until and until + timedelta(days=1),
        score_from=_chosen(LOW) if LOW in offered else None,
        score_to=_chosen(HIGH) if HIGH in offered else None,
        defect_class=_chosen(CLASS) if CLASS in offered else None,
        model_number=_chosen(MODEL),
        reviewer=current_actor().name,
        holder=deciding.place().holder,
    )


def choose_queue(waiting: Mapping[ReviewQueue, int]) -> None:
    """The four queues, with how much waits in each."""
    st.session_state.setdefault(QUEUE_KEY, ReviewQueue.FLAGGED)
    st.segmented_control(
        "Queue",
        list(QUEUE_NAMES),
        format_func=lambda queue: f"{QUEUE_NAMES[queue]} {count(waiting[queue])}",
        required=True,
        key=QUEUE_KEY,
        persist_state="session",
        on_change=deciding.leave,
        label_visibility="collapsed",
    )


def choose_scope(scopes: Mapping[str, Scope]) -> None:
    """All lines, one, or a camera."""
    st.selectbox(
        "Parts from",
        list(scopes),
        key=SCOPE,
        persist_state="session",
        filter_mode=None,
        label_visibility="collapsed",
        on_change=deciding.leave,
    )


def narrow(reads: Session, wanted: Wanted) -> None:
    """The filters that are seldom needed, behind a button that tells how many are set."""
    set_ = sum(_chosen(key) is not None for key in _offered(wanted.queue))
    label = f"Filters · {set_}" if set_ else "Filters"
    popover = st.popover(label, key="filters", on_change="rerun")
    if not popover.open:
        return
    with popover:
        _dates()
        if LOW in _offered(wanted.queue):
            _scores()
        if CLASS in _offered(wanted.queue):
            _pick("Class somebody named", CLASS, _class_names(reads, wanted.line_ids))
        _pick("Model version", MODEL, model_numbers(reads, wanted.line_ids))
        st.button("Clear filters", on_click=_clear, disabled=not set_, width="stretch")


def is_narrowed(queue: ReviewQueue) -> bool:
    """Whether any filter is set that a queue has."""
    return any(_chosen(key) is not None for key in _offered(queue))


def _offered(queue: ReviewQueue) -> tuple[str, ...]:
    """The filters of a queue: blind checks know no score, and a class is what somebody named."""
    left_out = set()
    if queue is ReviewQueue.AUDIT:
        left_out |= {LOW, HIGH}
    if queue not in OF_SOMEBODY_ELSE:
        left_out.add(CLASS)
    return tuple(key for key in NARROWING if key not in left_out)


def _dates() -> None:
    first, second = st.columns(2)
    for column, label, key in ((first, "From day", SINCE), (second, "To day", UNTIL)):
        column.date_input(
            label, None, key=key, persist_state="session", on_change=deciding.leave,
            format="YYYY-MM-DD",
        )  # fmt: skip


def _scores() -> None:
    first, second = st.columns(2)
    for column, label, key in ((first, "Score from", LOW), (second, "Score to", HIGH)):
        column.number_input(
            label, value=None, key=key, persist_state="session", on_change=deciding.leave,
            format="%g",
        )  # fmt: skip


def _pick(label: str, key: str, options: list[Any]) -> None:
    st.selectbox(
        label,
        options,
        index=None,
        key=key,
        persist_state="session",
        placeholder="Any",
        on_change=deciding.leave,
    )


def _class_names(reads: Session, line_ids: tuple[int, ...]) -> list[str]:
    known = (list_classes(reads, line_id, with_retired=True) for line_id in line_ids)
    return sorted({each.name for of_line in known for each in of_line})


def _clear() -> None:
    for key in NARROWING:
        st.session_state[key] = None
    deciding.leave()


def _chosen(key: str) -> Any:
    return st.session_state.get(key)


def _midnight(day: date | None) -> datetime | None:
    """The beginning of the viewer's day."""
    return None if day is None else datetime.combine(day, time(), zone())
