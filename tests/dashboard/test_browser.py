"""Both pages in a real Chromium on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.dashboard.serving import LOOK_MS, TARGET_PX, see

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.dashboard.conftest import Plant

pytestmark = pytest.mark.slow


@pytest.fixture
def queue(plant: Plant) -> list[int]:
    """Five flagged frames, newest first."""
    plant.add_line()
    return [plant.add_frame(2.0 + number / 4) for number in range(5)][::-1]


def test_live_shows_a_new_frame_by_itself(plant: Plant, page: Page) -> None:
    plant.add_line()
    plant.add_frame(0.3)
    lamp = page.locator(".lw-tile .lw-lamp")
    expect(lamp).to_have_text("PASS")

    plant.add_frame(2.6)

    expect(lamp).to_have_text("REJECT")
    expect(page.locator(".lw-strip span")).to_have_count(1)
    drawn = page.locator(".lw-well img").evaluate("image => image.naturalWidth")
    assert drawn == 64


def test_live_comes_back_by_itself_after_the_database_was_away(plant: Plant, page: Page) -> None:
    plant.add_line()
    plant.add_frame(0.3)
    expect(page.locator(".lw-tile")).to_be_visible()

    with plant.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE lines RENAME TO gone")
    expect(page.locator(".lw-notice")).to_be_visible()
    with plant.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO lines")

    expect(page.locator(".lw-tile")).to_be_visible()


def test_keys_confirm_dismiss_and_undo(plant: Plant, queue: list[int], review: Page) -> None:
    for key, coming in (("d", queue[1]), ("g", queue[2]), ("z", queue[1]), ("u", queue[2])):
        review.keyboard.press(key)
        see(review, coming)

    assert plant.reviews() == [
        (queue[0], "defect", "operator"),
        (queue[1], "good", "operator"),
        (queue[1], "undo", "operator"),
        (queue[1], "unsure", "operator"),
    ]


def test_arrow_keys_walk_the_queue(plant: Plant, queue: list[int], review: Page) -> None:
    review.keyboard.press("ArrowRight")
    see(review, queue[1])
    review.keyboard.press("ArrowLeft")
    see(review, queue[0])

    assert plant.reviews() == []


def test_a_key_held_down_decides_once(plant: Plant, queue: list[int], review: Page) -> None:
    for _ in range(40):
        review.keyboard.down("d")  # the browser repeats it
        review.wait_for_timeout(25)
    review.keyboard.up("d")
    see(review, queue[1])

    assert plant.reviews() == [(queue[0], "defect", "operator")]


def test_keys_work_after_the_opacity_was_set(plant: Plant, queue: list[int], review: Page) -> None:
    track = review.locator('[data-testid="stSlider"] [role="group"]')
    box = track.bounding_box()
    assert box is not None
    review.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    expect(review.locator('[data-testid="stSliderThumbValue"]')).not_to_have_text("60 %")
    expect(review.locator(".lw-heat")).not_to_have_css("opacity", "0.6")
    review.wait_for_timeout(LOOK_MS)
    opacity = review.locator(".lw-heat").evaluate("image => getComputedStyle(image).opacity")

    review.keyboard.press("d")
    see(review, queue[1])

    assert float(opacity) > 0.8
    assert plant.reviews() == [(queue[0], "defect", "operator")]


def test_keys_work_after_a_camera_was_chosen(plant: Plant, queue: list[int], review: Page) -> None:
    review.get_by_role("combobox").click()
    review.get_by_role("option", name="press", exact=True).click()
    review.wait_for_timeout(2 * LOOK_MS)

    review.keyboard.press("g")
    see(review, queue[1])

    assert plant.reviews() == [(queue[0], "good", "operator")]


def test_an_empty_queue_notices_a_new_frame(plant: Plant, page: Page) -> None:
    plant.add_line()
    page.get_by_role("link", name="Review").click()
    expect(page.locator(".lw-notice")).to_contain_text("Nothing to review")

    inspection = plant.add_frame(2.5)

    expect(page.locator(".lw-card")).to_have_attribute("data-card", str(inspection))


def test_review_comes_back_by_itself_after_the_database_was_away(
    plant: Plant, queue: list[int], review: Page
) -> None:
    with plant.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE lines RENAME TO gone")
    review.keyboard.press("ArrowRight")
    expect(review.locator(".lw-notice")).to_be_visible()
    with plant.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO lines")

    see(review, queue[1])


def test_every_target_suits_a_glove(review: Page) -> None:
    targets = review.locator('button:visible, a:visible, [role="group"]:visible')

    sizes = {element.inner_text(): element.bounding_box() for element in targets.all()}

    sizes.pop("Skip to main content", None)  # for screen readers, out of sight
    small = {name: box for name, box in sizes.items() if box and box["height"] < TARGET_PX}
    assert len(sizes) >= 8
    assert small == {}


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_a_page_fits_the_screen_without_scrolling(review: Page, width: int, height: int) -> None:
    review.set_viewport_size({"width": width, "height": height})
    review.wait_for_timeout(LOOK_MS)
    main = review.locator('[data-testid="stMain"]')

    assert main.evaluate("e => e.scrollHeight <= e.clientHeight && e.scrollWidth <= e.clientWidth")
    review.get_by_role("link", name="Live").click()
    expect(review.locator(".lw-tile")).to_be_visible()
    review.wait_for_timeout(LOOK_MS)
    assert main.evaluate("e => e.scrollHeight <= e.clientHeight && e.scrollWidth <= e.clientWidth")
