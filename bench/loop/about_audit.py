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
#: With fewer escapes caught in a week no interval can cover as often as said.
FEW = 3


def audit_part(kept: Kept, docs: Path) -> list[str]:
    """Coverage in every setting; the plot goes into `docs`."""
    found = {weeks: kept.find(audit.name_of(weeks)) or {} for weeks in audit.WEEKS}
    most = found[audit.WEEKS[-1]] or found[audit.WEEKS[0]]
    if not most:
        return []
    lines = []
    for name, one in most.items():
        cells = [_cell(found[weeks].get(name)) for weeks in audit.WEEKS]
        chance = one["covered"]["process_escape_rate"]
        lines.append([name, f"{one['caught']:.1f}", *cells, f"{chance:.1%}"])
    plots.coverage_plot(docs / "audit.svg", _coverage_rows(found), WANTED)
    counts = "; ".join(f"in {weeks:,} weeks {_outside(found[weeks])}" for weeks in audit.WEEKS)
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


def _is_within(one: dict[str, Any]) -> bool:
    return bool(WANTED[0] <= one["covered"]["escape_rate"] <= WANTED[1])


def _cell(one: dict[str, Any] | None) -> str:
    if one is None:
        return NONE
    text = f"{one['covered']['escape_rate']:.1%}"
    return text if _is_within(one) else f"**{text}**"


def _outside(found: dict[str, Any]) -> str:
    """How many settings are outside, where the audit catches some escapes and where hardly any."""
    parts = []
    for words, wanted in ((f"{FEW} or more", True), (f"fewer than {FEW}", False)):
        of = [one for one in found.values() if (one["caught"] >= FEW) is wanted]
        outside = sum(not _is_within(one) for one in of)
        parts.append(f"{outside} of {len(of)} with {words} escapes caught on average")
    return " and ".join(parts)


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
