"""The Pareto chart: which few kinds of defect make up most of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ParetoRow:
    """One class of defect."""

    #: The class.
    name: str
    #: How many there are.
    count: int
    #: Of all, 0 to 1.
    share: float
    #: Share of this class and all rows above it; exactly 1 in the last row.
    cumulative_share: float


def pareto(counts: Mapping[str, int]) -> list[ParetoRow]:
    """Order classes by their counts, most frequent first, equal ones by name.

    Args:
        counts: how many of each class; classes with 0 are left out.

    Returns:
        The rows; none if nothing was counted.

    Raises:
        ValueError: if a count is negative.

    Source: Juran, "Quality Control Handbook", 1951.
    """
    for name, count in counts.items():
        if count < 0:
            raise ValueError(f"class {name!r} has count {count}: a count cannot be negative")
    total = sum(counts.values())
    rows: list[ParetoRow] = []
    so_far = 0
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count > 0:
            so_far += count
            rows.append(ParetoRow(name, count, count / total, so_far / total))
    return rows
