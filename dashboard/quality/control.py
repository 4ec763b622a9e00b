"""The p-chart: the share of flagged or rejected parts over time, and what is outside its limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from html import escape
from statistics import median
from typing import TYPE_CHECKING

from dashboard.markup import count
from dashboard.quality import svg
from dashboard.quality.words import percent, plural
from models.statistics.control_chart import p_chart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from db.inspections import VerdictCounts
    from db.quality import Window
    from models.statistics.control_chart import PChart, Signal

WIDTH, HEIGHT = 1000, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 118, 16, 34
#: Labels under the chart at most.
LABELS = 9
#: Points named under the chart; the table has all.
NAMED = 6
#: With fewer expected in a subgroup, the limits are too tight above (Montgomery, chapter 7).
EXPECTED_AT_LEAST = 5


class Share(StrEnum):
    """What is charted."""

    FLAGGED = "Flagged"
    REJECTED = "Rejected"

    def of(self, counts: VerdictCounts) -> int:
        """How many of the inspected parts it is about."""
        return counts.rejected + (counts.review if self is Share.FLAGGED else 0)


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The parts of a stretch of time: one point of the chart."""

    name: str
    window: Window
    counts: VerdictCounts


@dataclass(frozen=True)
class Control:
    """A chart of all subgroups that have parts."""

    share: Share
    #: In order of time; none empty.
    subgroups: list[Subgroup]
    chart: PChart
    #: Whether the limits come from the period before.
    is_from_before: bool

    def signals(self, index: int) -> list[Signal]:
        """What a subgroup is out of control by."""
        return [signal for signal in self.chart.signals if signal.index == index]

    @property
    def small(self) -> int:
        """How many subgroups have too few parts for their limits."""
        return sum(
            group.counts.inspected * self.chart.centre < EXPECTED_AT_LEAST
            for group in self.subgroups
        )


def chart_subgroups(
    subgroups: Sequence[Subgroup], share: Share, before: VerdictCounts | None
) -> Control | None:
    """Chart the subgroups; None if not one part was inspected.

    Args:
        before: the period that gives the centre line; None, or without parts: these subgroups do.
    """
    filled = [group for group in subgroups if group.counts.inspected]
    if not filled:
        return None
    centre = share.of(before) / before.inspected if before and before.inspected else None
    chart = p_chart(
        [group.counts.inspected for group in filled],
        [share.of(group.counts) for group in filled],
        centre=centre,
    )
    return Control(share, filled, chart, centre is not None)


def signal_words(signal: Signal) -> str:
    """What a signal says: `above the upper limit`."""
    if signal.rule == "beyond_3_sigma":
        return f"{signal.side} the {'upper' if signal.side == 'above' else 'lower'} limit"
    return f"eight or more in a row {signal.side} the centre line"


def picture(control: Control) -> str:
    """The chart as SVG."""
    chart = control.chart
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    # A last subgroup that has hardly begun has limits far off: they may leave the picture.
    top = max(float(chart.shares.max()), 1.25 * float(median(chart.upper)), 1e-6)
    marks = svg.ticks(top, 4)
    step = (right - LEFT) / len(control.subgroups)
    outside = set(chart.out_of_control)

    def y(share: float) -> float:
        return floor - (floor - TOP) * min(share, marks[-1]) / marks[-1]

    xs = [LEFT + step * (index + 0.5) for index in range(len(control.subgroups))]
    parts = []
    digits = 0 if marks[1] >= 0.01 else 1 if marks[1] >= 0.001 else 2
    for mark in marks:
        parts.append(svg.line(LEFT, y(mark), right, y(mark), "grid"))
        parts.append(svg.text(LEFT - 9, y(mark) + 5, f"{100 * mark:.{digits}f} %"))
    for limit in (chart.lower, chart.upper):
        corners = [
            (x + side * step / 2, y(float(value)))
            for x, value in zip(xs, limit, strict=True)
            for side in (-1, 1)
        ]
        parts.append(svg.path(corners, "limit"))
    parts.append(svg.line(LEFT, y(chart.centre), right, y(chart.centre), "centre"))
    shares = [float(share) for share in chart.shares]
    parts.append(svg.path(zip(xs, map(y, shares), strict=True), "trace"))
    radius = 4.5 if step >= 14 else 3 if step >= 6 else 2
    for index, (x, share) in enumerate(zip(xs, shares, strict=True)):
        if index in outside:
            parts.append(svg.diamond(x, y(share), radius + 3.5, "outside", tooltip(control, index)))
        else:
            parts.append(svg.dot(x, y(share), radius, "point", tooltip(control, index)))
    parts.extend(_limit_names(control, right, y))
    every = -(-len(xs) // LABELS)
    for x, group in list(zip(xs, control.subgroups, strict=True))[::every]:
        parts.append(svg.line(x, floor, x, floor + 5, "floor"))
        parts.append(svg.text(x, floor + 22, group.name.partition(" ")[2], "middle"))
    parts.append(svg.line(LEFT, floor, right, floor, "floor"))
    label = f"p-chart of the share of {control.share.lower()} parts"
    return svg.chart(WIDTH, HEIGHT, label, *parts)


def _limit_names(control: Control, x: float, y: Callable[[float], float]) -> Iterator[str]:
    """Names and values of the lines at the right end, kept apart where the lines are close."""
    # The middle subgroup stands for all: the last one may have hardly begun.
    middle = sorted(range(len(control.chart.upper)), key=lambda i: control.chart.upper[i])
    typical = middle[len(middle) // 2]
    upper, lower = float(control.chart.upper[typical]), float(control.chart.lower[typical])
    place = y(control.chart.centre)
    for name, value, least, most in (
        ("UCL", upper, -1e9, place - 19),
        ("p\u0304", control.chart.centre, -1e9, 1e9),
        ("LCL", lower, place + 19, 1e9),
    ):
        beside = min(max(y(value), least), most)
        yield svg.text(x + 9, beside + 5, f"{name} {percent(value)} %", "start", "name")


def tooltip(control: Control, index: int) -> str:
    """What is said of a subgroup when it is pointed at."""
    group, chart = control.subgroups[index], control.chart
    words = (
        f"{group.name}: {percent(float(chart.shares[index]))} % of "
        f"{plural(group.counts.inspected, 'part')}, limits {percent(float(chart.lower[index]))} to "
        f"{percent(float(chart.upper[index]))} %"
    )
    return "; ".join([words, *map(signal_words, control.signals(index))])


def findings(control: Control, empty: int) -> str:
    """In words: how it stands, which points are outside, and what limits the chart."""
    chart, outside = control.chart, control.chart.out_of_control
    total = plural(len(control.subgroups), "point")
    if outside:
        title = f"Out of control at {count(len(outside))} of {total}"
    else:
        title = f"In control: {total}, none outside"
    source = "the period before" if control.is_from_before else "these points"
    parts = sum(group.counts.inspected for group in control.subgroups)
    notes = [
        f"Centre line {percent(chart.centre)} %, from {source}; limits at 3 standard deviations "
        f"for each point's own number of parts (n = {count(parts)} in all)."
    ]
    if control.small:
        notes.append(
            f"{plural(control.small, 'point')} would have fewer than {EXPECTED_AT_LEAST} "
            f"{control.share.lower()} parts at the centre line: their limits are rough, take "
            "longer periods."
        )
    if empty:
        notes.append(f"{plural(empty, 'period')} without parts left out.")
    # The latest first: they are what can still be acted on.
    named = [f"<li>{escape(tooltip(control, index))}</li>" for index in outside[::-1][:NAMED]]
    if len(outside) > NAMED:
        named.append(f"<li>and {count(len(outside) - NAMED)} earlier ones, in the table</li>")
    kind = "lw-verdict asks" if outside else "lw-verdict"
    listed = f"<ul>{''.join(named)}</ul>" if named else ""
    return f'<p class="{kind}">{title}</p>{listed}<p class="lw-fine">{" ".join(notes)}</p>'
