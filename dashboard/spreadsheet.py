"""CSV files as spreadsheets open them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A cell that begins with one of these would be run as a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    """A table in UTF-8, with a mark by which spreadsheets know it, and no cell that they run."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell
