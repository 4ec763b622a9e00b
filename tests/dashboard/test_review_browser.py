"""The Review page in a real Chromium: ten cards by keyboard, masks, blind checks, two windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.access import trusted
from db.defect_classes import add_class
from db.lines import get_line
from db.masks import read_mask
from db.reviews import confirmed
from db.tables import Review
from tests.dashboard.serving import LOOK_MS, see

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.dashboard.conftest import Plant

pytestmark = pytest.mark.slow

CLASSES = ("crack", "dent", "scratch")


@pytest.fixture
def queue(plant: Plant) -> list[int]:
    """Eleven flagged frames, newest first, of a line that knows three classes."""
    plant.add_line()
    with Session(plant.engine) as session, session.begin():
        for name in CLASSES:
            add_class(session, get_line(session, "press"), name, actor=trusted("eve"))
    return [plant.add_frame(1.1 + number / 4) for number in range(11)][::-1]


@pytest.fixture
def other_window(queue: list[int], browser: Browser, address: str) -> Iterator[Page]:
    """A second browser window, of which nothing is open yet."""
    context = browser.new_context()
    made = context.new_page()
    yield made
    context.close()


def stored(plant: Plant) -> list[tuple[int, str, str | None, bool]]:
    """Every review: inspection, decision, class, whether it has a mask."""
    with Session(plant.engine) as session:
        found = session.scalars(select(Review).order_by(Review.id))
        return [
            (r.inspection_id, r.decision, r.defect_class, r.mask_key is not None) for r in found
        ]


def test_ten_cards_are_reviewed_by_keyboard_alone(
    plant: Plant, queue: list[int], review: Page
) -> None:
    keys = ["g", "1", "g", "3", "u", "m2", "g", "d2", "g", "dd"]
    for number, pressed in enumerate(keys):
        for key in pressed:
            review.keyboard.press(key)
            review.wait_for_timeout(LOOK_MS if len(pressed) > 1 else 0)
        see(review, queue[number + 1])
    review.keyboard.press("z")
    see(review, queue[9])

    assert stored(plant) == [
        (queue[0], "good", None, False),
        (queue[1], "defect", "crack", True),
        (queue[2], "good", None, False),
        (queue[3], "defect", "scratch", True),
        (queue[4], "unsure", None, False),
        (queue[5], "defect", "dent", False),
        (queue[6], "good", None, False),
        (queue[7], "defect", "dent", True),
        (queue[8], "good", None, False),
        (queue[9], "defect", None, True),
        (queue[9], "undo", None, False),
    ]


def test_a_mask_is_drawn_and_confirmed_with_its_class(
    plant: Plant, queue: list[int], review: Page
) -> None:
    review.keyboard.press("e")
    stage = review.locator(".stage")
    expect(stage).to_be_visible()
    review.wait_for_timeout(LOOK_MS)
    box = stage.bounding_box()
    assert box is not None

    def at(right: float, down: float) -> tuple[float, float]:
        return box["x"] + right * box["width"], box["y"] + down * box["height"]

    # Around the lower right quarter, back to the beginning: a closed line is filled.
    corners = [(0.6, 0.6), (0.9, 0.6), (0.9, 0.9), (0.6, 0.9), (0.6, 0.6)]
    review.mouse.move(*at(*corners[0]))
    review.mouse.down()
    for corner in corners[1:]:
        review.mouse.move(*at(*corner), steps=5)
    review.mouse.up()
    review.keyboard.press("Enter")
    see(review, queue[0])
    review.keyboard.press("2")
    see(review, queue[1])

    with Session(plant.engine) as session:
        word = confirmed(session, queue[0])
    assert word is not None
    assert word.mask_key is not None
    assert word.defect_class == "dent"
    marked = read_mask(plant.store.get(word.mask_key), height_px=48, width_px=64)
    assert marked[30:42, 40:56].all()
    assert not marked[:24].any()
    assert not marked[:, :34].any()


def test_drawing_can_be_given_up_and_its_keys_decide_nothing(
    plant: Plant, queue: list[int], review: Page
) -> None:
    review.keyboard.press("e")
    expect(review.locator(".stage")).to_be_visible()
    review.wait_for_timeout(LOOK_MS)
    for key in ("g", "1", "z", "Escape"):
        review.keyboard.press(key)
    see(review, queue[0])

    assert stored(plant) == []


def test_zooming_shows_the_proposed_defect_and_the_next_card_begins_whole(
    plant: Plant, queue: list[int], review: Page
) -> None:
    zoom = review.locator(".lw-zoom")
    review.keyboard.press("x")
    first = zoom.evaluate("e => e.style.transform")
    review.keyboard.press("x")
    second = zoom.evaluate("e => e.style.transform")
    contour = review.locator(".lw-contour").evaluate("i => i.complete && i.naturalWidth")
    review.keyboard.press("g")
    see(review, queue[1])

    assert "scale(2)" in first
    assert "scale(4)" in second
    # The defect is left of and above the middle, so the picture moves right and down.
    right, down = (float(each.strip(" %")) for each in first[10:].split(")")[0].split(","))
    assert right > 0
    assert down > 0
    assert contour == 64
    assert zoom.evaluate("e => e.style.transform") == ""


def test_a_blind_check_shows_no_score_and_no_map(
    plant: Plant, queue: list[int], review: Page
) -> None:
    drawn = plant.add_frame(0.7345, audit_probability=0.1)
    review.locator(".st-key-queue button", has_text="Audit").click()
    see(review, drawn)

    text = review.locator('[data-testid="stMain"]').inner_text()
    assert "Blind check" in text
    assert "0.73" not in text
    assert "PASS" not in text
    assert review.locator(".lw-heat, .lw-contour, .lw-hist").count() == 0
    review.keyboard.press("g")
    expect(review.locator(".lw-notice")).to_contain_text("Nothing to review")
    assert stored(plant) == [(drawn, "good", None, False)]


def test_two_windows_never_show_the_same_card(
    plant: Plant, queue: list[int], review: Page, other_window: Page, address: str
) -> None:
    other_window.goto(address)
    other_window.get_by_role("link", name="Review").click()
    see(other_window, queue[1])

    review.keyboard.press("g")
    see(review, queue[2])
    other_window.keyboard.press("g")
    see(other_window, queue[3])

    assert stored(plant) == [(queue[0], "good", None, False), (queue[1], "good", None, False)]


def test_bulk_dismissal_asks_first_and_keys_are_dead_meanwhile(
    plant: Plant, queue: list[int], review: Page
) -> None:
    review.get_by_role("button", name="Dismiss").click()
    expect(review.locator('[data-testid="stPopoverBody"]')).to_contain_text("Dismiss 11 parts?")
    review.wait_for_timeout(LOOK_MS)
    review.keyboard.press("g")
    review.wait_for_timeout(LOOK_MS)
    assert stored(plant) == []

    review.get_by_role("button", name="Dismiss 11 parts").click()

    expect(review.locator(".lw-notice")).to_contain_text("Nothing to review")
    assert {decision for _, decision, *_ in stored(plant)} == {"dismissed"}
