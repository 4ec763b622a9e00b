"""The table of periods and the CSV files: the same numbers in the same digits."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dashboard.markup import count
from dashboard.quality.control import signal_words
from dashboard.quality.words import NONE, percent
from dashboard.spreadsheet import to_csv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from dashboard.quality.control import Control, Share, Subgroup
    from models.statistics.pareto import ParetoRow

#: Column in the CSV, and on the page.
COLUMNS = {
    "period": "Period",
    "start": None,
    "end": None,
    "inspected": "Inspected",
    "passed": "Passed",
    "review": "Review",
    "rejected": "Rejected",
    "not_inspected": "Not inspected",
    "yield_percent": "Yield, %",
    "share_percent": None,  # named by what is charted
    "lower_limit_percent": "LCL, %",
    "upper_limit_percent": "UCL, %",
    "signal": "Signal",
}


def period_rows(
    subgroups: Sequence[Subgroup], control: Control | None, zone: tzinfo
) -> list[dict[str, str]]:
    """A row for each period, empty ones too, as text without thousands separators."""
    charted = {} if control is None else {g.window: i for i, g in enumerate(control.subgroups)}
    rows = []
    for group in subgroups:
        counts, window = group.counts, group.window
        row = dict.fromkeys(COLUMNS, "")
        row |= {
            "period": group.name,
            "start": window.start.astimezone(zone).isoformat(timespec="seconds"),
            "end": window.end.astimezone(zone).isoformat(timespec="seconds"),
            "inspected": str(counts.inspected),
            "passed": str(counts.passed),
            "review": str(counts.review),
            "rejected": str(counts.rejected),
            "not_inspected": str(counts.uninspected),
        }
        if control is not None and window in charted:
            index, chart = charted[window], control.chart
            row |= {
                "yield_percent": percent(counts.passed / counts.inspected),
                "share_percent": percent(float(chart.shares[index])),
                "lower_limit_percent": percent(float(chart.lower[index])),
                "upper_limit_percent": percent(float(chart.upper[index])),
                "signal": "; ".join(map(signal_words, control.signals(index))),
            }
        rows.append(row)
    return rows


def markup(rows: Sequence[dict[str, str]], share: Share) -> str:
    """The table on the page, the newest period first."""
    names = COLUMNS | {"share_percent": f"{share.value}, %"}
    shown = {column: name for column, name in names.items() if name}
    head = "".join(f"<th>{name}</th>" for name in shown.values())
    body = "".join(
        f"<tr{_kind(row)}>{''.join(f'<td>{_cell(row[column])}</td>' for column in shown)}</tr>"
        for row in reversed(rows)
    )
    return (
        '<details class="lw-periods"><summary>Table of periods</summary><div><table><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def periods_csv(rows: Sequence[dict[str, str]], share: Share) -> bytes:
    """The table as CSV."""
    names = {column: column for column in COLUMNS}
    names["share_percent"] = f"{share.value.lower()}_percent"
    return to_csv(names.values(), (row.values() for row in rows))


def pareto_csv(rows: Sequence[ParetoRow]) -> bytes:
    """All classes with counts and shares, most frequent first."""
    return to_csv(
        ("defect_class", "count", "share_percent", "cumulative_percent"),
        (
            (row.name, str(row.count), percent(row.share), percent(row.cumulative_share))
            for row in rows
        ),
    )


def _kind(row: dict[str, str]) -> str:
    return ' class="asks"' if row["signal"] else ""


def _cell(text: str) -> str:
    return count(int(text)) if text.isdecimal() else escape(text) or NONE
