"""The plant's clock: days, shifts and hours, in the plant's time zone.

A plant's day begins with its first shift, not at midnight: a night shift is one shift of one day.
`linewatch dashboard` names the shifts and the zone in the environment.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dashboard import viewer
from db.errors import DbError
from db.quality import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIFTS_VARIABLE = "LINEWATCH_SHIFT_STARTS"
ZONE_VARIABLE = "LINEWATCH_PLANT_TIMEZONE"
# Of our own: the page speaks one language whatever the server's locale is.
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
DEFAULT_SHIFTS = (time(6), time(14), time(22))


class ClockUnreadable(DbError):
    """Raised when the shifts or the zone in the environment cannot be read."""


class Unit(StrEnum):
    """How long one point of the control chart is."""

    HOUR = "Hour"
    SHIFT = "Shift"
    DAY = "Day"


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the plant, the last one included."""

    first: date
    last: date

    @property
    def count(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Days:
        """As many days, just before."""
        length = timedelta(days=self.count)
        return Days(self.first - length, self.last - length)

    def __iter__(self) -> Iterator[date]:
        """Each day, in order."""
        return (self.first + timedelta(days=number) for number in range(self.count))


@dataclass(frozen=True)
class PlantClock:
    """Where the plant is in time."""

    zone: tzinfo
    #: When the shifts begin, in order; the first one begins the day.
    shift_starts: tuple[time, ...] = DEFAULT_SHIFTS

    def day_of(self, moment: datetime) -> date:
        """The plant's day in which a moment lies."""
        local = moment.astimezone(self.zone)
        began = local.time() >= self.shift_starts[0]
        return local.date() if began else local.date() - timedelta(days=1)

    def shifts_of(self, day: date) -> list[Window]:
        """A day's shifts; each ends where the next one begins."""
        starts = [self._at(day, start) for start in self.shift_starts]
        ends = [*starts[1:], self._at(day + timedelta(days=1), self.shift_starts[0])]
        return [Window(start, end) for start, end in zip(starts, ends, strict=True)]

    def shift_names(self) -> list[str]:
        """The shifts by their times of day; none if there is only one."""
        starts = self.shift_starts
        if len(starts) == 1:
            return []
        ends = (*starts[1:], starts[0])
        return [f"{start:%H:%M}–{end:%H:%M}" for start, end in zip(starts, ends, strict=True)]

    def stretches(self, days: Days, shift: int | None, until: datetime) -> list[Window]:
        """What lies in the days, or in one shift of each, before a moment.

        Args:
            shift: which one, from 0; None: the whole days, in one stretch.
        """
        if shift is None:
            whole = Window(self.shifts_of(days.first)[0].start, self.shifts_of(days.last)[-1].end)
            return list(_before([whole], until))
        return list(_before((self.shifts_of(day)[shift] for day in days), until))

    def split(
        self, days: Days, shift: int | None, unit: Unit, until: datetime
    ) -> list[tuple[str, Window]]:
        """The same, in equal parts with a name each; the last one may not have ended yet."""
        parts: list[Window] = []
        for day in days:
            shifts = self.shifts_of(day)
            chosen = shifts if shift is None else [shifts[shift]]
            if unit is Unit.DAY:
                parts.append(Window(chosen[0].start, chosen[-1].end))
            elif unit is Unit.SHIFT:
                parts.extend(chosen)
            else:
                parts.extend(hour for one in chosen for hour in _hours(one))
        return [(self.name(part.start, unit), part) for part in _before(parts, until)]

    def name(self, start: datetime, unit: Unit) -> str:
        """A part by its beginning: `Mon 02 Mar`, or with the time `Mon 02 Mar 14:00`."""
        local = start.astimezone(self.zone)
        date_text = f"{WEEKDAYS[local.weekday()]} {local.day:02} {MONTHS[local.month - 1]}"
        return date_text if unit is Unit.DAY else f"{date_text} {local:%H:%M}"

    def _at(self, day: date, moment: time) -> datetime:
        return datetime.combine(day, moment, self.zone).astimezone(UTC)


def plant_clock() -> PlantClock:
    """The clock that the settings describe; without a zone there, the viewer's.

    Raises:
        ClockUnreadable: if a variable is not as `linewatch dashboard` writes it.
    """
    return PlantClock(_zone() or viewer.zone(), _shift_starts())


def _zone() -> tzinfo | None:
    name = os.environ.get(ZONE_VARIABLE)
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise ClockUnreadable(
            f"{ZONE_VARIABLE} is {name!r}, which is no time zone: write one such as Europe/Berlin"
        ) from exc


def _shift_starts() -> tuple[time, ...]:
    text = os.environ.get(SHIFTS_VARIABLE)
    if not text:
        return DEFAULT_SHIFTS
    try:
        starts = tuple(time.fromisoformat(start) for start in json.loads(text))
    except (TypeError, ValueError):
        starts = ()
    if not starts or list(starts) != sorted(set(starts)):
        raise ClockUnreadable(
            f"{SHIFTS_VARIABLE} is {text!r}: write times of day in rising order as JSON, "
            'such as ["06:00", "14:00", "22:00"]'
        )
    return starts


def _hours(stretch: Window) -> Iterator[Window]:
    """Hours by elapsed time, so that the day on which clocks change has 23 or 25."""
    start = stretch.start
    while start < stretch.end:
        end = min(start + timedelta(hours=1), stretch.end)
        yield Window(start, end)
        start = end


def _before(windows: Iterator[Window] | list[Window], until: datetime) -> Iterator[Window]:
    for window in windows:
        if window.start < until:
            yield Window(window.start, min(window.end, until))
