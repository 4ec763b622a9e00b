"""The Live page against a real database, without a browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from dashboard.wall import counts_today
from db.lines import get_line, record_stream_status
from db.migrate import downgrade

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]


def test_every_camera_shows_its_newest_verdict_and_score(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()
    plant.add_frame(2.5, camera="left")
    plant.add_frame(0.4, camera="left")
    plant.add_frame(1.5, camera="right")

    tiles = re.findall(r'<div class="lw-tile.*', html_of(open_page("live")))

    assert len(tiles) == 2
    assert "left" in tiles[0]
    assert "</i>PASS</span>" in tiles[0]
    assert "Score <b>0.4000</b>" in tiles[0]
    assert "Reject from 2.000" in tiles[0]
    assert "right" in tiles[1]
    assert "</i>REVIEW</span>" in tiles[1]


def test_the_strip_holds_the_frames_before_the_newest(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()
    for score in (2.5, 0.1, None, 0.2):
        plant.add_frame(score)

    strip = html_of(open_page("live")).partition('<div class="lw-strip">')[2]

    assert re.findall(r'title="(\w+)"', strip) == ["UNINSPECTED", "PASS", "REJECT"]


def test_yield_is_the_share_of_inspected_frames_that_passed(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()
    for score in (0.1, 0.2, 0.3, 2.5, None):
        plant.add_frame(score)

    html = html_of(open_page("live"))

    # Three of the four that were inspected; the fifth was not. Five verdicts in 60 s.
    assert "<b>75.0 %</b><span>Yield today" in html
    assert "<b>3 / 4</b>" in html
    assert "<b>1</b><span>Not inspected" in html
    assert "<b>0.1</b><span>Frames/s" in html


def test_frames_of_the_whole_day_are_counted_once_and_those_of_yesterday_never(
    plant: Plant,
) -> None:
    # At 10:07:30 what was recorded before 10:00 is settled, and kept; the rest is counted anew.
    plant.add_line()
    day = datetime(2026, 3, 2, tzinfo=UTC)
    minutes = {"yesterday": -1, "midnight": 0, "settled": 599, "border": 600, "late": 607}
    for minute in minutes.values():
        plant.add_frame(0.1, recorded_at=day + timedelta(minutes=minute))
    now = day + timedelta(minutes=607, seconds=30)

    with Session(plant.engine) as session:
        line_id = get_line(session, "press").id
        first = counts_today(session, line_id, now, day)
        plant.add_frame(2.5, recorded_at=now)
        second = counts_today(session, line_id, now, day)

    assert (first.passed, first.rejected) == (4, 0)
    assert (second.passed, second.rejected) == (4, 1)


def test_a_quiet_line_shows_no_counts_of_losses(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()
    plant.add_frame(0.1)

    html = html_of(open_page("live"))

    assert "Not inspected" not in html
    assert "Dropped" not in html
    assert "lw-warning" not in html


def test_lag_and_drops_are_shown(plant: Plant, open_page: Opener, html_of: Reader) -> None:
    plant.add_line()
    counts = {"left": (1300, 12, 0), "right": (1300, 30, 0)}
    with Session(plant.engine) as session, session.begin():
        line_id = get_line(session, "press").id
        record_stream_status(session, line_id, waiting=1234, pending=8, cameras=counts)

    html = html_of(open_page("live"))

    assert "<b>1,234</b><span>Waiting" in html
    assert "<b>42</b><span>Dropped" in html


@pytest.mark.parametrize(("silent_s", "warns"), [(25, False), (125, True)])
def test_a_line_whose_workers_are_silent_for_30_seconds_warns(
    plant: Plant, open_page: Opener, html_of: Reader, silent_s: float, warns: bool
) -> None:
    plant.add_line()
    plant.last_report("press", silent_s)

    html = html_of(open_page("live"))

    assert ("No scoring worker has reported for 2 min" in html) is warns


def test_a_line_that_never_had_a_worker_or_a_model_says_what_to_start(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line("bare", model=False, reported=False)
    plant.add_line("idle", reported=False)

    html = html_of(open_page("live"))

    assert "No model is active on this line" in html
    assert "No scoring worker has reported yet" in html


def test_only_the_chosen_line_is_shown(plant: Plant, open_page: Opener, html_of: Reader) -> None:
    plant.add_line("press")
    plant.add_line("saw")
    page = open_page("live")
    assert html_of(page).count("lw-line") == 2

    page.button_group(key="line").set_value("saw").run()

    assert "<h2>saw</h2>" in html_of(page)
    assert "<h2>press</h2>" not in html_of(page)


def test_text_from_data_cannot_become_markup(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()
    plant.add_frame(None, camera="<i>x</i>", reason="<script>alert(1)</script>")

    html = html_of(open_page("live"))

    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<i>x" not in html


def test_without_lines_the_page_says_how_to_add_one(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    assert "linewatch line add" in html_of(open_page("live"))


@pytest.mark.parametrize("page", ["live", "review"])
class TestWithoutDatabase:
    """Every page says calmly what to do."""

    def test_a_missing_variable_is_named(
        self, plant: Plant, open_page: Opener, html_of: Reader, page: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.delenv("LINEWATCH_DATABASE_URL")

        html = html_of(open_page(page))

        assert "LINEWATCH_DATABASE_URL is not set" in html
        assert "<code>linewatch dashboard</code>" in html

    def test_an_outdated_schema_names_the_command(
        self, plant: Plant, open_page: Opener, html_of: Reader, page: str
    ) -> None:
        downgrade(plant.url, "base")

        html = html_of(open_page(page))

        assert "The database needs an update" in html
        assert "linewatch db upgrade" in html

    def test_an_unreachable_database_is_named(
        self, plant: Plant, open_page: Opener, html_of: Reader, page: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv("LINEWATCH_DATABASE_URL", "sqlite:////nowhere/linewatch.db")

        html = html_of(open_page(page))

        assert "The database cannot be reached" in html
        assert "/nowhere" in html

    def test_a_database_that_goes_away_is_explained_and_the_page_comes_back(
        self, plant: Plant, open_page: Opener, html_of: Reader, page: str
    ) -> None:
        plant.add_line()
        opened = open_page(page)
        with plant.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE lines RENAME TO gone")

        away = html_of(opened.run())
        with plant.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO lines")
        back = html_of(opened.run())

        assert "The database cannot be used right now" in away
        assert "lw-notice" not in back or "Nothing to review" in back
