"""The Pareto chart of confirmed defects by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.markup import count
from dashboard.quality import svg
from dashboard.quality.words import percent, plural
from db.tables import SampleLabel
from models.statistics.pareto import ParetoRow, pareto

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db.quality import ReviewedParts

#: Defects that were confirmed without saying of what class.
UNNAMED = "no class given"
#: Classes drawn; the rest is one bar, and whole in the CSV.
DRAWN = 9
REST = "all others"
WIDTH, ROW, TOP, BOTTOM = 620, 38, 8, 34
NAMES, FIGURES = 170, 128
NAME_CHARS = 20


def rows_of(reviewed: Iterable[ReviewedParts]) -> list[ParetoRow]:
    """The classes of confirmed defects, most frequent first."""
    counts: dict[str, int] = {}
    for parts in reviewed:
        if parts.label is SampleLabel.DEFECT:
            name = parts.defect_class or UNNAMED
            counts[name] = counts.get(name, 0) + parts.count
    return pareto(counts)


def picture(rows: Sequence[ParetoRow]) -> str:
    """Bars and cumulative line on one axis, in percent of all confirmed defects."""
    drawn = _drawn(rows)
    floor = TOP + ROW * len(drawn)
    width = WIDTH - NAMES - FIGURES

    def x(share: float) -> float:
        return NAMES + width * share

    parts = []
    for mark in (0, 20, 40, 60, 80, 100):
        parts.append(svg.line(x(mark / 100), TOP, x(mark / 100), floor, "grid"))
        parts.append(svg.text(x(mark / 100), floor + 20, f"{mark} %", "middle"))
    for index, row in enumerate(drawn):
        y = TOP + ROW * index
        told = (
            f"{row.name}: {plural(row.count, 'defect')}, {percent(row.share)} %; "
            f"with those above {percent(row.cumulative_share)} %"
        )
        parts.append(
            svg.text(NAMES - 10, y + 24, svg.shortened(row.name, NAME_CHARS), "end", "name")
        )
        parts.append(svg.box(NAMES, y + 6, width * row.share, ROW - 12, "bar", told))
        figures = f"{count(row.count)} · {percent(row.share)} %"
        parts.append(svg.text(WIDTH - 2, y + 24, figures, "end", "name"))
    points = [
        (x(row.cumulative_share), TOP + ROW * (index + 0.5)) for index, row in enumerate(drawn)
    ]
    parts.append(svg.path(points, "cumulative"))
    for (left, middle), row in zip(points, drawn, strict=True):
        told = f"{row.name} and those above: {percent(row.cumulative_share)} %"
        parts.append(svg.dot(left, middle, 4.5, "mark", told))
    parts.append(svg.line(NAMES, TOP, NAMES, floor, "floor"))
    return svg.chart(WIDTH, floor + BOTTOM, "Pareto chart of the defect classes", *parts)


def _drawn(rows: Sequence[ParetoRow]) -> list[ParetoRow]:
    if len(rows) <= DRAWN + 1:
        return list(rows)
    rest = rows[DRAWN:]
    others = ParetoRow(REST, sum(row.count for row in rest), sum(row.share for row in rest), 1.0)
    return [*rows[:DRAWN], others]
