"""The section's part on the audit's estimate, with its plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.comparison import NONE, markdown
from bench.loop import audit, plots

if TYPE_CHECKING:
    from pathlib import Path

    from bench.loop.kept import Kept

#: What the coverage is to lie within.
WANTED = (0.93, 0.97)


def audit_part(kept: Kept, docs: Path) -> list[str]:
    """Coverage in every setting; the plot goes into `docs`."""
    found = {weeks: kept.find(audit.name_of(weeks)) or {} for weeks in audit.WEEKS}
    most = found[audit.WEEKS[-1]] or found[audit.WEEKS[0]]
    if not most:
        return []
    lines = []
    outside: dict[int, int] = dict.fromkeys(audit.WEEKS, 0)
    for name, one in most.items():
        cells = []
        for weeks in audit.WEEKS:
            share = found[weeks].get(name, {}).get("covered", {}).get("escape_rate")
            is_within = share is not None and WANTED[0] <= share <= WANTED[1]
            outside[weeks] += share is not None and not is_within
            cells.append(
                NONE if share is None else f"{share:.1%}" if is_within else f"**{share:.1%}**"
            )
        chance = one["covered"]["process_escape_rate"]
        lines.append([name, f"{one['caught']:.1f}", *cells, f"{chance:.1%}"])
    plots.coverage_plot(docs / "audit.svg", _coverage_rows(found), WANTED)
    counts = ", ".join(f"{outside[w]} of {len(found[w])} in {w:,} weeks" for w in audit.WEEKS)
    return [
        "### The audit's estimate",
        "![Coverage of the escape rate's interval](../docs/audit.svg)",
        "In how many simulated weeks the 95 % interval of the escape rate holds that week's own "
        "rate; wanted are 93 to 97 %. Settings outside (bold): "
        f"{counts}. In 200 weeks chance alone moves a figure by three points; fewer than three "
        "escapes caught in a week give an interval that holds the truth too often, for reasons in "
        "`models/statistics/escape_rate.py`. The last column is of the chance to escape behind the "
        "week, over the most weeks.",
        markdown(
            ["setting", "caught a week", *(f"{w:,} weeks" for w in audit.WEEKS), "the chance"],
            lines,
        ),
    ]


def _coverage_rows(found: dict[int, dict[str, Any]]) -> list[tuple[str, dict[str, float]]]:
    """Of all that is reviewed; the names of the plot's rows are short enough for it."""
    rows = []
    names = next(one for one in reversed(found.values()) if one)
    for name in names:
        if not name.endswith("100% reviewed"):
            continue
        shares = {
            f"{weeks:,} weeks": one[name]["covered"]["escape_rate"]
            for weeks, one in found.items()
            if name in one
        }
        rows.append((name.partition("; ")[0], shares))
    return rows
