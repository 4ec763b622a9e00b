"""The training that runs, with its progress, and the latest ones with their outcome."""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import current_actor, may
from dashboard.changing import change
from dashboard.database import explained, session
from dashboard.markup import duration, sentence
from db import lines, retrainings
from db.tables import RetrainingReason, RetrainingState, Role, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from db.tables import Retraining

LOOK_AGAIN_S = 2
#: A free trainer has begun by then: the schedule looks every half minute, and torch loads.
PATIENCE_S = 60
#: A step whose rate was watched for less says nothing about the time left.
MIN_WATCHED_S = 4.0
REASONS = {
    RetrainingReason.SCHEDULE: "by the clock",
    RetrainingReason.DEFECTS: "new confirmed defects",
    RetrainingReason.DRIFT: "the scores have moved",
    RetrainingReason.PERSON: "asked for",
    RetrainingReason.TEACHING: "the line was taught",
}
CHIPS = {
    RetrainingState.WAITING: "busy",
    RetrainingState.RUNNING: "busy",
    RetrainingState.DONE: "good",
    RetrainingState.FAILED: "bad",
    RetrainingState.CANCELLED: "idle",
}


@dataclass(slots=True)
class _Watched:
    """A step of a training, since this browser sees it."""

    retraining_id: int
    stage: str
    done: int
    since: float


def show_running(line: str, line_id: int, missing: Sequence[str] = ()) -> None:
    """The open training, refreshed by itself; the page is run again when it ends or begins.

    Args:
        line: its name.
        line_id: its number.
        missing: what is missing before another one can run.
    """
    st.fragment(_running, run_every=LOOK_AGAIN_S)(line, line_id, missing)


def _running(line: str, line_id: int, missing: Sequence[str]) -> None:
    with explained():
        with session() as reads:
            found = retrainings.open_retraining(reads, line_id)
        key = f"open-training-{line_id}"
        now = found.id if found else None
        before = st.session_state.setdefault(key, now)
        if before != now:
            st.session_state[key] = now
            st.rerun()
        if found is not None:
            st.html(card(found, utc_now(), time.monotonic()))
        elif missing:
            st.html(wanted(missing))
        if may(Role.ENGINEER):
            _buttons(line, found, can_train=not missing)


def wanted(missing: Sequence[str]) -> str:
    """What a retraining needs before it can run, and where it comes from."""
    items = "".join(f"<li>{escape(lack)}</li>" for lack in missing)
    return (
        '<div class="lw-panel"><h3>Before a retraining can run</h3>'
        f'<ul class="lw-reasons">{items}</ul></div>'
    )


def _buttons(line: str, found: Retraining | None, *, can_train: bool) -> None:
    if found is None:
        st.button(
            "Retrain now", key="retrain", on_click=_request, args=(line,), disabled=not can_train
        )
    else:
        st.button(
            "Cancelling" if found.cancel_asked_at else "Cancel training",
            key=f"cancel-training-{found.id}",
            on_click=_cancel,
            args=(found.id,),
            disabled=found.cancel_asked_at is not None,
        )


def _request(line: str) -> None:
    change(
        lambda s: retrainings.request(
            s, lines.get_line(s, line), reason=RetrainingReason.PERSON, actor=current_actor()
        ),
        "A training is asked for",
    )


def _cancel(retraining_id: int) -> None:
    change(
        lambda s: retrainings.ask_to_cancel(s, retraining_id, actor=current_actor()),
        "The training is asked to end; the line's model stays as it is",
    )


def card(found: Retraining, now: datetime, clock: float) -> str:
    """An open training: what it does, how far it is, and how long it takes."""
    if found.state == RetrainingState.WAITING.value:
        seconds = (now - found.requested_at).total_seconds()
        advice = ""
        if seconds > PATIENCE_S:
            advice = " If none is running, start one with <code>linewatch trainer</code>."
        return (
            '<div class="lw-panel"><h3>Training <span class="lw-chip busy">waiting</span></h3>'
            f"<p>{escape(found.detector)}, {_why(found)} · {duration(seconds)} so far. It begins "
            f"once a trainer is free.{advice}</p></div>"
        )
    share = min(1.0, found.done / found.total) if found.total else 0.0
    stage = escape(sentence(found.stage.replace("_", " "))) or "Beginning"
    elapsed = duration((now - (found.started_at or now)).total_seconds())
    left = seconds_left(found, clock)
    steps = f"{found.done} of {found.total}" if found.total else ""
    remaining = f" · about {duration(left)} left in this step" if left is not None else ""
    ends = " · cancelling" if found.cancel_asked_at else ""
    return (
        '<div class="lw-panel"><h3>Training <span class="lw-chip busy">running</span></h3>'
        f"<p>{escape(found.detector)}, {_why(found)} · {elapsed} so far{remaining}{ends}</p>"
        f'<p class="lw-step"><b>{stage}</b><span>{steps}</span></p>'
        f'<div class="lw-bar" role="progressbar"><i style="width:{100 * share:.1f}%"></i></div>'
        "</div>"
    )


def seconds_left(found: Retraining, clock: float) -> float | None:
    """How long the present step may still take, by its pace since this browser watches it."""
    key = "watched-training"
    watched: _Watched | None = st.session_state.get(key)
    if watched is None or (watched.retraining_id, watched.stage) != (found.id, found.stage):
        watched = _Watched(found.id, found.stage, found.done, clock)
        st.session_state[key] = watched
    seconds, steps = clock - watched.since, found.done - watched.done
    if seconds < MIN_WATCHED_S or steps <= 0:
        return None
    return seconds * max(0, found.total - found.done) / steps


def latest(every: Sequence[Retraining], zone: tzinfo) -> str:
    """The trainings that ended, newest first, with what came of them."""
    ended = [one for one in every if one.finished_at is not None]
    if not ended:
        return '<div class="lw-panel"><h3>Latest trainings</h3><p>None has ended yet.</p></div>'
    rows = "".join(_row(one, zone) for one in ended)
    return f'<div class="lw-panel"><h3>Latest trainings</h3><ul class="lw-list">{rows}</ul></div>'


def _row(one: Retraining, zone: tzinfo) -> str:
    state = RetrainingState(one.state)
    at = f"{one.requested_at.astimezone(zone):%Y-%m-%d %H:%M}"
    took = ""
    if one.started_at and one.finished_at:
        took = f" · {duration((one.finished_at - one.started_at).total_seconds())}"
    message = f"<p>{escape(sentence(one.message))}</p>" if one.message else ""
    return (
        f'<li><div><span>{at}{took}</span><span class="lw-chip {CHIPS[state]}">{state.value}</span>'
        f"</div><small>{escape(one.detector)} · {_why(one)} · {escape(one.requested_by)}</small>"
        f"{message}</li>"
    )


def _why(one: Retraining) -> str:
    return REASONS[RetrainingReason(one.reason)]
