"""Quality: yield, control chart, Pareto, false rejects and escapes, drift, and people's work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.choosing import show_no_lines
from dashboard.database import explained, session
from dashboard.markup import count, notice
from dashboard.quality import control, drift, pareto, rates, reading, svg, table, workload
from dashboard.quality.clock import Days, Unit, plant_clock
from dashboard.quality.control import Share, Subgroup
from dashboard.quality.drift import Reference
from dashboard.quality.words import NONE, percent_of, plural
from db import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from dashboard.quality.clock import PlantClock
    from dashboard.quality.reading import Scope
    from db.inspections import VerdictCounts
    from db.quality import Window
    from models.statistics.pareto import ParetoRow

ALL_CAMERAS, ALL_SHIFTS = "All cameras", "All shifts"
TODAY, WEEK, MONTH, CUSTOM = "Today", "7 days", "30 days", "Custom"
RANGES = {TODAY: 1, WEEK: 7, MONTH: 30}
MAX_DAYS = 92
#: Points of the control chart at most.
MAX_HOURS_DAYS = 31
THESE, BEFORE = "These points", "Period before"


@dataclass(frozen=True)
class Choice:
    """What the page is about."""

    scope: Scope
    clock: PlantClock
    days: Days
    #: Which shift of each day; None: all.
    shift: int | None
    #: Nothing later is counted.
    until: datetime

    @property
    def windows(self) -> tuple[Window, ...]:
        """The stretches of time."""
        return tuple(self.clock.stretches(self.days, self.shift, self.until))

    @property
    def before(self) -> tuple[Window, ...]:
        """As many days, just before."""
        return tuple(self.clock.stretches(self.days.before, self.shift, self.until))


@st.fragment
def page() -> None:
    """The whole page; a choice reads anew what it is about, and nothing else."""
    with explained(), session() as reads:
        every = lines.list_lines(reads)
        if not every:
            show_no_lines()
            return
        choice = _choose(reads, [line.name for line in every])
        if choice is not None:
            _show(reads, choice)


def _choose(reads: Session, names: list[str]) -> Choice | None:
    """The controls at the top; None while a range of days is being chosen."""
    clock = plant_clock()
    with st.container(key="quality-bar", horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Line", names, key="quality_line", bind="query-params", filter_mode=None
        )
        line = lines.get_line(reads, name or names[0])
        cameras = lines.list_cameras(reads, line.id)
        camera = st.selectbox(
            "Camera", [ALL_CAMERAS, *(one.name for one in cameras)],
            key=f"quality_camera_{line.id}", filter_mode=None,
        )  # fmt: skip
        span = st.segmented_control(
            "Days", [*RANGES, CUSTOM], default=WEEK, required=True, key="quality_days",
            bind="query-params",
        )  # fmt: skip
        now = datetime.now(UTC)
        today = clock.day_of(now)
        days = _custom_days(today) if span == CUSTOM else _last_days(today, RANGES[span or WEEK])
        shifts = clock.shift_names()
        shift = ALL_SHIFTS
        if shifts:
            shift = st.selectbox(
                "Shift", [ALL_SHIFTS, *shifts], key="quality_shift", filter_mode=None
            )
    if days is None:
        st.html(notice("Which days?", "Choose the last day, too."))
        return None
    return Choice(
        reading.scope_of(line, cameras, None if camera == ALL_CAMERAS else camera),
        clock,
        days,
        shifts.index(shift) if shift in shifts else None,
        _rounded_up(now),
    )


def _last_days(today: date, number: int) -> Days:
    return Days(today - timedelta(days=number - 1), today)


def _custom_days(today: date) -> Days | None:
    chosen = st.date_input(
        "From and to", (today - timedelta(days=6), today), max_value=today, format="YYYY-MM-DD",
        key="quality_custom",
    )  # fmt: skip
    ends = chosen if isinstance(chosen, tuple) else (chosen,)
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    return Days(ends[0], ends[1])


def _rounded_up(now: datetime) -> datetime:
    """The end of what is counted: the same for a while, so that answers can be kept."""
    seconds = now.timestamp()
    return datetime.fromtimestamp(seconds - seconds % reading.KEPT_S + reading.KEPT_S, UTC)


def _show(reads: Session, choice: Choice) -> None:
    if choice.days.count > MAX_DAYS:
        st.html(notice("Too many days", f"Choose at most {MAX_DAYS} days at a time."))
        return
    windows = choice.windows
    if not windows:
        st.html(notice("This shift has not begun yet", "Choose another shift, or earlier days."))
        return
    # By days, as a chart of many days has them anyway: they are counted once.
    counts = reading.total(reads, choice.scope, _parts(choice, Unit.DAY))
    people = reading.people(reads, choice.scope, windows)
    st.html(_header(choice, windows, counts, people.quarantined))
    if not counts.inspected + counts.uninspected:
        st.html(notice("No parts in this time", "Choose other days, another shift or camera."))
        return
    with _card("chart"):
        rows, share = _show_control(reads, choice)
    with st.container(key="quality-grid"):
        with _card("pareto"):
            classes = pareto.rows_of(people.reviewed)
            _show_pareto(classes, choice)
        with _card("rates"):
            st.html("<h2>False rejects and escapes</h2>")
            found = rates.rates_of(people.reviewed, counts, people.waiting, choice.scope.audit_rate)
            st.html(f'<div class="lw-part">{rates.markup(found)}</div>')
        with _card("drift"):
            _show_drift(reads, choice, counts)
        with _card("work"):
            st.html("<h2>People's work</h2>")
            st.html(f'<div class="lw-part">{workload.markup(people.work)}</div>')
    with _card("table"):
        st.html(table.markup(rows, share))
        _download("Periods as CSV", table.periods_csv(rows, share), "periods", choice)


def _card(name: str) -> st.delta_generator.DeltaGenerator:
    return st.container(key=f"quality-card-{name}")


def _header(
    choice: Choice, windows: Sequence[Window], counts: VerdictCounts, quarantined: int
) -> str:
    """Yield and throughput; what never reached a verdict is counted by itself."""
    hours = sum((window.end - window.start).total_seconds() for window in windows) / 3600
    parts = counts.inspected + counts.uninspected
    figures = [
        ("Yield: passed of inspected", percent_of(counts.passed, counts.inspected), False),
        ("Inspected", count(counts.inspected), False),
        ("Passed", count(counts.passed), False),
        ("To review", _share(counts.review, counts.inspected), False),
        ("Rejected", _share(counts.rejected, counts.inspected), False),
        ("Parts per hour, mean", f"{parts / hours:,.0f}" if hours else NONE, False),
        ("Not inspected", count(counts.uninspected), bool(counts.uninspected)),
        ("Quarantined", count(quarantined), bool(quarantined)),
        ("Dropped in all", count(choice.scope.dropped), bool(choice.scope.dropped)),
    ]  # fmt: skip
    zone = choice.clock.zone
    start, end = (moment.astimezone(zone) for moment in (windows[0].start, windows[-1].end))
    when = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
    if choice.shift is not None:
        when += f", shift {choice.clock.shift_names()[choice.shift]}"
    body = "".join(
        f'<div class="lw-figure{" asks" if asks else ""}"><b>{value}</b><span>{label}</span></div>'
        for label, value, asks in figures
    )
    return (
        f'<div class="lw-line lw-quality">{body}<p>{when} · {plural(choice.days.count, "day")}, '
        f"each from {choice.clock.shift_starts[0]:%H:%M} · times in {escape(str(zone))}</p></div>"
    )


def _parts(choice: Choice, unit: Unit) -> tuple[Window, ...]:
    parts = choice.clock.split(choice.days, choice.shift, unit, choice.until)
    return tuple(window for _, window in parts)


def _share(part: int, whole: int) -> str:
    return f"{count(part)} · {percent_of(part, whole)}"


def _show_control(reads: Session, choice: Choice) -> tuple[list[dict[str, str]], Share]:
    """The p-chart with its choices; gives the rows of the table, which are the same."""
    units = _units(choice)
    with st.container(key="quality-control", horizontal=True, vertical_alignment="center"):
        st.html("<h2>Control chart (p-chart)</h2>")
        share = Share(_switch("Charted", list(Share), "quality_share") or Share.FLAGGED)
        unit = Unit(
            _switch("One point for each", units, f"quality_unit_{choice.days.count}_{choice.shift}",
                    default=_usual_unit(choice.days.count, units)) or units[0]
        )  # fmt: skip
        source = _switch("Limits from", [THESE, BEFORE], "quality_limits")
    parts = choice.clock.split(choice.days, choice.shift, unit, choice.until)
    counts = reading.verdicts(reads, choice.scope, tuple(window for _, window in parts))
    subgroups = [
        Subgroup(name, window, one) for (name, window), one in zip(parts, counts, strict=True)
    ]
    before = reading.total(reads, choice.scope, choice.before) if source == BEFORE else None
    charted = control.chart_subgroups(subgroups, share, before)
    if charted is None:
        st.html('<p class="lw-verdict">No part was inspected</p>')
    else:
        empty = len(subgroups) - len(charted.subgroups)
        missing = source == BEFORE and not charted.is_from_before
        note = (
            '<p class="lw-fine">The period before has no parts: the limits come from these '
            "points.</p>"
        )
        svg.show(control.picture(charted))
        words = control.findings(charted, empty) + (note if missing else "")
        st.html(f'<div class="lw-part">{words}</div>')
    return table.period_rows(subgroups, charted, choice.clock.zone), share


def _units(choice: Choice) -> list[Unit]:
    """What makes more than one point, and not too many."""
    has_shifts = choice.shift is None and len(choice.clock.shift_starts) > 1
    return [
        *([Unit.HOUR] if choice.days.count <= MAX_HOURS_DAYS else []),
        *([Unit.SHIFT] if has_shifts else []),
        Unit.DAY,
    ]


def _usual_unit(days: int, units: list[Unit]) -> Unit:
    wanted = Unit.HOUR if days <= 2 else Unit.SHIFT if days <= 10 else Unit.DAY
    return wanted if wanted in units else Unit.DAY


def _switch(
    label: str, options: Sequence[str], key: str, *, default: str | None = None
) -> str | None:
    return st.segmented_control(
        label, options, default=default or options[0], required=True, key=key,
        label_visibility="collapsed", persist_state="session",
    )  # fmt: skip


def _show_pareto(rows: list[ParetoRow], choice: Choice) -> None:
    st.html("<h2>Confirmed defects by class (Pareto)</h2>")
    if not rows:
        st.html('<p class="lw-verdict">No defect of this period is confirmed yet</p>')
        return
    total = sum(row.count for row in rows)
    svg.show(pareto.picture(rows))
    st.html(
        f'<p class="lw-fine">{plural(total, "defect")} confirmed on parts inspected in this '
        "period, found by the machine or by the audit. Bars: share of the class; line: of it and "
        "those above.</p>"
    )
    _download("Pareto as CSV", table.pareto_csv(rows), "pareto", choice)


def _show_drift(reads: Session, choice: Choice, counts: VerdictCounts) -> None:
    with st.container(key="quality-reference", horizontal=True, vertical_alignment="center"):
        st.html("<h2>Drift of the scores</h2>")
        reference = Reference(
            _switch("Compared with", list(Reference), "quality_reference") or Reference.FIRST
        )
    is_before = reference is Reference.BEFORE
    before = reading.total(reads, choice.scope, choice.before) if is_before else counts
    scores = reading.scores(
        reads, choice.scope, choice.windows, choice.before, reference, (counts, before)
    )
    if scores is None:
        st.html('<p class="lw-verdict">No model is active on this line</p>')
        return
    if len(scores.reference) and len(scores.present):
        svg.show(drift.picture(scores))
    st.html(f'<div class="lw-part">{drift.findings(scores, reference)}</div>')


def _download(label: str, data: bytes, kind: str, choice: Choice) -> None:
    """A file named by what is in it."""
    scope, days = choice.scope, choice.days
    words = [scope.line, scope.camera or "", kind, f"{days.first}", f"{days.last}"]
    if choice.shift is not None:
        words.append(choice.clock.shift_names()[choice.shift].replace(":", ""))
    name = "-".join(re.sub(r"[^\w-]+", "_", word) for word in words if word)
    st.download_button(
        label, data, file_name=f"{name}.csv", mime="text/csv", on_click="ignore",
        key=f"quality-download-{kind}",
    )  # fmt: skip


if __name__ == "__main__":
    page()
