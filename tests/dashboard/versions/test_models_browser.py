"""The Models page in a real Chromium: promote, roll back, move a slider, cancel a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.lines import get_line
from db.model_versions import active_version, get_model_version
from db.tables import Retraining

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.dashboard.conftest import Plant

pytestmark = pytest.mark.slow

#: Gloves: nothing that is pressed is lower than this.
TARGET_PX = 44


@pytest.fixture
def models(seed_line: Callable[..., int], page: Page) -> Page:
    """The page of a line with four versions, of which the third scores."""
    seed_line()
    page.get_by_role("link", name="Models").click()
    expect(page.locator(".lw-title h2")).to_have_text("Version 4")
    return page


def active(plant: Plant) -> int:
    with Session(plant.engine) as session:
        found = active_version(session, "press")
        assert found is not None
        return found.number


def test_a_candidate_is_promoted_and_rolled_back(plant: Plant, models: Page) -> None:
    models.get_by_role("button", name="Promote").click()
    dialog = models.get_by_role("dialog")
    expect(dialog).to_contain_text("version 4 gives the verdicts of line press")
    assert active(plant) == 3
    dialog.get_by_role("button", name="Promote").click()

    expect(models.locator(".lw-done")).to_contain_text("Version 4 scores line press")
    expect(models.get_by_role("dialog")).to_have_count(0)
    assert active(plant) == 4

    models.get_by_role("button", name="Show version 3").click()
    expect(models.locator(".lw-title h2")).to_have_text("Version 3")
    models.get_by_role("button", name="Roll back").click()
    models.get_by_role("dialog").get_by_role("button", name="Roll back").click()

    expect(models.locator(".lw-done")).to_contain_text("Rolled back: version 3 scores")
    assert active(plant) == 3


def test_a_slider_moves_the_estimates_and_saving_keeps_it(plant: Plant, models: Page) -> None:
    models.get_by_role("button", name="Show version 3").click()
    expect(models.locator(".lw-title h2")).to_have_text("Version 3")
    expect(models.locator(".lw-estimates em")).to_have_count(0)
    chart = models.locator(".lw-scores")
    before = chart.get_attribute("src")
    assert chart.evaluate("image => image.naturalWidth") > 0

    thumb = models.get_by_role("slider").first
    thumb.focus()
    for _ in range(25):
        thumb.press("ArrowLeft")

    expect(models.locator(".lw-estimates em")).to_have_count(4)
    expect(chart).not_to_have_attribute("src", before or "")
    models.get_by_label("Reason").fill("escapes at the edge")
    models.get_by_role("button", name="Save thresholds").click()

    expect(models.locator(".lw-done")).to_contain_text("Version 3: review from")
    expect(models.locator(".lw-table.list").last).to_contain_text("escapes at the edge")
    with Session(plant.engine) as session:
        version = get_model_version(session, get_line(session, "press"), 3)
    assert version.review_threshold < 1.6
    assert version.reject_threshold == 2.2


def test_a_training_is_asked_for_and_cancelled(plant: Plant, models: Page) -> None:
    models.get_by_role("button", name="Retrain now").click()
    expect(models.locator(".lw-panel", has_text="once a trainer is free")).to_be_visible()

    models.get_by_role("button", name="Cancel training").click()

    expect(models.get_by_role("button", name="Retrain now")).to_be_visible()
    with Session(plant.engine) as session:
        newest = session.scalars(select(Retraining).order_by(Retraining.id.desc())).first()
    assert newest is not None
    assert newest.state == "cancelled"


def test_everything_to_press_suits_a_glove(models: Page) -> None:
    main = models.locator('[data-testid="stMain"]')
    for button in main.get_by_role("button").all():
        box = button.bounding_box()
        if box is not None and button.is_visible():
            assert box["height"] >= TARGET_PX, button.inner_text()
    width = models.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert width <= 0
