"""Numbers as the Quality page writes them; its CSV files hold the same digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.markup import count

if TYPE_CHECKING:
    from models.statistics.escape_rate import Estimate
    from models.statistics.intervals import Interval

#: Stands where there is no number.
NONE = "–"
#: Shares below this are written with two digits more.
SMALL_SHARE = 0.001


def percent(share: float) -> str:
    """A share in percent, without the sign: `4.17`, and `0.0213` where it is small."""
    digits = 4 if 0 < share < SMALL_SHARE else 2
    return f"{100 * share:.{digits}f}"


def percent_of(part: int, whole: int) -> str:
    """A counted share in percent; a dash if there is nothing to count."""
    return f"{percent(part / whole)} %" if whole else NONE


def range_of(interval: Interval) -> str:
    """The ends of a share's interval: `0.61 to 2.90 %`."""
    return f"{percent(interval.lower)} to {percent(interval.upper)} %"


def estimated(estimate: Estimate) -> str:
    """An estimated share; a dash where nothing is known."""
    return NONE if estimate.value is None else f"{percent(estimate.value)} %"


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun: `1 part`, `1,204 parts`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """A time span with two digits: `48 s`, `3.4 min`, `12 min`, `2.6 h`, `1.8 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            amount = seconds / size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{seconds:.0f} s"
