"""The Quality page in a real Chromium on a real server."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.access import trusted
from db.defect_classes import add_class
from db.lines import get_line
from db.reviews import add_review
from db.tables import Decision, Inspection
from tests.dashboard.serving import TARGET_PX

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.dashboard.conftest import Plant

pytestmark = pytest.mark.slow

#: What the page takes to redraw its parts one after the other.
SETTLE_MS = 1000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days from midnight in UTC."""
    monkeypatch.setenv("LINEWATCH_SHIFT_STARTS", '["00:00", "12:00"]')
    monkeypatch.setenv("LINEWATCH_PLANT_TIMEZONE", "UTC")


@pytest.fixture
def week(plant: Plant) -> Plant:
    """Six days of ten parts each, one of ten rejected, and three on the last day; one confirmed."""
    plant.add_line()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(1, 7):
        rejects = 3 if day == 1 else 1
        for number in range(10):
            moment = midnight - timedelta(days=day) + timedelta(hours=2 * number)
            score = 2.5 if number < rejects else 0.5
            plant.add_frame(score, recorded_at=moment, captured_at=moment)
    with Session(plant.engine) as session, session.begin():
        rejected = select(Inspection.id).where(Inspection.verdict == "REJECT").limit(1)
        frame = session.scalars(rejected).one()
        add_class(session, get_line(session, "press"), "dent", actor=trusted("test"))
        ana = trusted("ana")
        add_review(session, frame, Decision.DEFECT, reviewer=ana, defect_class="dent")
    return plant


@pytest.fixture
def quality(week: Plant, page: Page) -> Page:
    """The Quality page of that week."""
    page.set_viewport_size({"width": 1024, "height": 768})
    page.get_by_role("link", name="Quality").click()
    expect(page.locator(".lw-quality")).to_be_visible()
    expect(page.locator(".st-key-quality-card-table")).to_be_visible()
    page.wait_for_timeout(SETTLE_MS)
    return page


def test_charts_are_drawn_and_told_when_pointed_at(quality: Page) -> None:
    quality.get_by_text("Day", exact=True).click()
    points = quality.locator(".lw-chart .point")
    expect(points).to_have_count(6)

    # The last day: 3 of 10; the centre is 8 of 60, too few for limits below 0 or a signal.
    told = points.last.locator("title").text_content()
    assert told is not None
    assert "30.00 % of 10 parts, limits 0.00 to 45.58 %" in told
    # Pareto and control chart; the scores are too few for a histogram of their own frames.
    assert quality.locator(".lw-chart").count() == 2
    assert "dent: 1 defect" in str(quality.locator(".lw-chart .bar title").first.text_content())
    drawn = quality.locator(".lw-chart").first.bounding_box()
    assert drawn is not None
    assert drawn["height"] > 150


def test_the_table_opens_and_its_file_holds_the_same(quality: Page) -> None:
    quality.get_by_text("Day", exact=True).click()
    # The table comes after the chart, and the file with the table.
    expect(quality.locator(".lw-periods tbody tr")).to_have_count(7)
    quality.wait_for_timeout(SETTLE_MS)
    quality.locator(".lw-periods summary").click()
    shown = quality.locator(".lw-periods tbody tr").nth(1).locator("td").all_inner_texts()

    with quality.expect_download() as download:
        quality.get_by_role("button", name="Periods as CSV").click()

    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    yesterday = rows[-2]
    assert shown[:7] == [
        yesterday[name]
        for name in (
            "period", "inspected", "passed", "review", "rejected", "not_inspected", "yield_percent",
        )
    ]  # fmt: skip
    assert (yesterday["inspected"], yesterday["yield_percent"]) == ("10", "70.00")
    assert download.value.suggested_filename.startswith("press-periods-")


@pytest.mark.parametrize("width", [1024, 1600])
def test_nothing_is_wider_than_the_screen_and_every_target_suits_a_glove(
    quality: Page, width: int
) -> None:
    quality.set_viewport_size({"width": width, "height": 900})
    quality.wait_for_timeout(SETTLE_MS)
    main = quality.locator('[data-testid="stMain"]')

    assert main.evaluate("e => e.scrollWidth <= e.clientWidth")
    inside = quality.locator(
        '[data-testid="stMain"] button:visible, [data-testid="stMain"] summary:visible, '
        '[data-testid="stMain"] [role="radio"]:visible'
    )
    sizes = {element.inner_text(): element.bounding_box() for element in inside.all()}
    small = {name: box for name, box in sizes.items() if box and box["height"] < TARGET_PX}
    assert len(sizes) >= 8
    assert small == {}
