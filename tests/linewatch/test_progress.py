"""Progress where there is no terminal, on a clock that a test moves; and the bars on one."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import pytest
from rich.console import Console
from rich.progress import Progress

from linewatch import progress
from linewatch.progress import StageLines, duration


@dataclass
class Watched:
    """Collects the lines, and says what time it is."""

    lines: list[str] = field(default_factory=list)
    now: float = 100.0

    def tell(self) -> StageLines:
        return StageLines(self.lines.append, lambda: self.now)


def test_a_stage_has_a_first_line_a_last_one_and_one_every_fifteen_seconds_between() -> None:
    watched = Watched()
    advance = watched.tell()

    for done in range(101):
        watched.now = 100 + done * 0.4  # 40 s for all
        advance("training", done, 100)

    # 15.2 s for 38: 62 take 24.8 s. 30.4 s for 76: 24 take 9.6 s.
    assert watched.lines == [
        "training: 0 of 100",
        "training: 38 of 100, about 25 s left",
        "training: 76 of 100, about 10 s left",
        "training: 100 of 100, took 40 s",
    ]


def test_the_speed_of_a_resumed_stage_is_that_of_this_run() -> None:
    watched = Watched()
    advance = watched.tell()
    advance("training", 80, 100)

    watched.now += 20
    advance("training", 85, 100)

    # 5 in 20 s, 15 to go.
    assert watched.lines == ["training: 80 of 100", "training: 85 of 100, about 60 s left"]


def test_nothing_is_said_of_the_time_left_before_anything_is_done() -> None:
    watched = Watched()
    advance = watched.tell()
    advance("coreset", 0, 10)

    watched.now += 16
    advance("coreset", 0, 10)

    assert watched.lines == ["coreset: 0 of 10", "coreset: 0 of 10"]


def test_a_stage_of_one_step_has_one_line_and_a_repeated_end_none() -> None:
    watched = Watched()
    advance = watched.tell()

    for _ in range(3):
        advance("memory bank", 5, 5)

    assert watched.lines == ["memory bank: 5 of 5"]


def test_a_stage_that_begins_again_is_told_again() -> None:
    watched = Watched()
    advance = watched.tell()

    for done in (1, 2, 1, 2):
        advance("features", done, 2)

    assert watched.lines == ["features: 1 of 2", "features: 2 of 2, took 0 s"] * 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7500, "2 h 5 min")],
)
def test_times_are_told_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_bar_of_a_resumed_stage_takes_no_speed_from_what_was_done_before() -> None:
    bars = Progress(console=Console(file=io.StringIO()))

    progress._bar_a_stage(bars)("training", 900, 1000)

    (task,) = bars.tasks
    assert (task.completed, task.total) == (900, 1000)
    assert not task.speed
