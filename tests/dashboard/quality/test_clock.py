"""The plant's days, shifts and hours, on ordinary days and on those when clocks change."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboard import viewer
from dashboard.quality import clock
from dashboard.quality.clock import ClockUnreadable, Days, PlantClock, Unit, plant_clock
from db.quality import Window

BERLIN = PlantClock(ZoneInfo("Europe/Berlin"))
MONDAY = date(2026, 3, 2)
FAR = datetime(2030, 1, 1, tzinfo=UTC)


def local(*parts: int) -> datetime:
    """A moment in the plant's time."""
    return datetime(*parts, tzinfo=BERLIN.zone)  # type: ignore[arg-type, misc]


def test_a_day_begins_with_its_first_shift() -> None:
    assert BERLIN.day_of(local(2026, 3, 2, 6, 0)) == MONDAY
    assert BERLIN.day_of(local(2026, 3, 3, 5, 59)) == MONDAY
    assert BERLIN.shifts_of(MONDAY)[2] == Window(local(2026, 3, 2, 22), local(2026, 3, 3, 6))


def test_shifts_are_named_by_their_times() -> None:
    assert BERLIN.shift_names() == ["06:00–14:00", "14:00–22:00", "22:00–06:00"]
    assert PlantClock(UTC, (time(0),)).shift_names() == []


def test_whole_days_are_one_stretch_that_ends_now() -> None:
    days = Days(MONDAY, date(2026, 3, 4))
    now = local(2026, 3, 4, 15, 30)

    assert BERLIN.stretches(days, None, now) == [Window(local(2026, 3, 2, 6), now)]
    assert BERLIN.stretches(days, None, FAR) == [Window(local(2026, 3, 2, 6), local(2026, 3, 5, 6))]


def test_one_shift_of_several_days_is_a_stretch_of_each_that_has_begun() -> None:
    days = Days(MONDAY, date(2026, 3, 4))

    nights = BERLIN.stretches(days, 2, local(2026, 3, 4, 1))

    assert nights == [
        Window(local(2026, 3, 2, 22), local(2026, 3, 3, 6)),
        Window(local(2026, 3, 3, 22), local(2026, 3, 4, 1)),
    ]


def test_days_are_split_into_hours_shifts_or_days_with_names() -> None:
    days = Days(MONDAY, MONDAY)

    def names(unit: Unit, shift: int | None = None) -> list[str]:
        return [name for name, _ in BERLIN.split(days, shift, unit, FAR)]

    assert names(Unit.DAY) == ["Mon 02 Mar"]
    assert names(Unit.SHIFT) == ["Mon 02 Mar 06:00", "Mon 02 Mar 14:00", "Mon 02 Mar 22:00"]
    assert len(names(Unit.HOUR)) == 24
    assert names(Unit.HOUR, 2)[::7] == ["Mon 02 Mar 22:00", "Tue 03 Mar 05:00"]
    assert names(Unit.DAY, 2) == ["Mon 02 Mar"]


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("shift", [None, 0, 2])
def test_the_parts_make_up_the_stretches(unit: Unit, shift: int | None) -> None:
    days, now = Days(date(2026, 3, 27), date(2026, 3, 30)), local(2026, 3, 30, 14, 20)

    whole = BERLIN.stretches(days, shift, now)
    parts = [window for _, window in BERLIN.split(days, shift, unit, now)]

    assert sum((w.end - w.start for w in parts), timedelta()) == sum(
        (w.end - w.start for w in whole), timedelta()
    )
    assert (parts[0].start, parts[-1].end) == (whole[0].start, whole[-1].end)
    assert all(a.end <= b.start for a, b in itertools.pairwise(parts))


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 28), 23), (date(2026, 10, 24), 25), (date(2026, 6, 1), 24)],
)
def test_the_day_on_which_clocks_change_is_shorter_or_longer(day: date, hours: int) -> None:
    # The night shift of the day before is the one in which the clock is put forward or back.
    parts = BERLIN.split(Days(day, day), None, Unit.HOUR, FAR)

    assert len(parts) == hours
    assert parts[-1][1].end == local(day.year, day.month, day.day + 1, 6)


def test_as_many_days_lie_before() -> None:
    assert Days(MONDAY, date(2026, 3, 4)).before == Days(date(2026, 2, 27), date(2026, 3, 1))


def test_shifts_and_zone_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.SHIFTS_VARIABLE, '["05:30", "17:30"]')
    monkeypatch.setenv(clock.ZONE_VARIABLE, "Asia/Kolkata")

    found = plant_clock()

    assert found == PlantClock(ZoneInfo("Asia/Kolkata"), (time(5, 30), time(17, 30)))


def test_without_settings_the_clock_is_the_viewers_with_three_shifts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(clock.SHIFTS_VARIABLE, raising=False)
    monkeypatch.setenv(clock.ZONE_VARIABLE, "")
    monkeypatch.setattr(viewer, "zone", lambda: ZoneInfo("America/Lima"))

    assert plant_clock() == PlantClock(ZoneInfo("America/Lima"))


@pytest.mark.parametrize(
    "text", ["06:00", "[]", '["25:00"]', '["14:00", "06:00"]', '["06:00", "06:00"]', "[6]", "6"]
)
def test_unreadable_shifts_say_what_is_expected(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.ZONE_VARIABLE, "UTC")
    monkeypatch.setenv(clock.SHIFTS_VARIABLE, text)

    with pytest.raises(ClockUnreadable, match="write times of day in rising order as JSON"):
        plant_clock()


def test_an_unknown_zone_says_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.ZONE_VARIABLE, "Europe/Atlantis")

    with pytest.raises(ClockUnreadable, match="'Europe/Atlantis', which is no time zone"):
        plant_clock()
