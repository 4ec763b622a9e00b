"""The Review page against a real database, without a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from dashboard import deciding
from db.access import trusted
from db.reviews import add_review
from db.tables import Decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]


@pytest.fixture
def queue(plant: Plant) -> list[int]:
    """Three flagged frames, newest first, among good ones."""
    plant.add_line()
    scores = (0.1, 1.2, 0.2, 2.2, 3.3, 0.3)
    ids = [plant.add_frame(score) for score in scores]
    return [ids[4], ids[3], ids[1]]


def card(html: str) -> int:
    """The inspection on show."""
    return int(html.partition('data-card="')[2].partition('"')[0])


def test_the_newest_flagged_frame_comes_first(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    html = html_of(open_page("review"))

    assert card(html) == queue[0]
    assert "</i>REJECT</span>" in html
    assert "3.30" in html
    assert "3 waiting" in html


@pytest.mark.parametrize("decision", ["defect", "good", "unsure"])
def test_a_decision_is_stored_and_the_next_card_comes(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader, decision: str
) -> None:
    page = open_page("review")

    page.button(key=f"{decision}-{queue[0]}").click().run()

    assert plant.reviews() == [(queue[0], decision, "operator")]
    assert card(html_of(page)) == queue[1]
    assert "2 waiting" in html_of(page)


def test_a_decision_is_stored_under_the_reviewers_name(
    plant: Plant, queue: list[int], open_page: Opener
) -> None:
    page = open_page("review")

    page.text_input(key="reviewer_name").set_value("  Ada ").run()
    page.button(key=f"good-{queue[0]}").click().run()

    assert plant.reviews() == [(queue[0], "good", "Ada")]


def test_undo_takes_back_the_decisions_of_this_session_one_by_one(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    page.button(key=f"defect-{queue[0]}").click().run()
    page.button(key=f"good-{queue[1]}").click().run()

    page.button(key="undo").click().run()
    first = card(html_of(page))
    page.button(key="undo").click().run()
    second = card(html_of(page))

    assert [first, second] == [queue[1], queue[0]]
    assert [event[1] for event in plant.reviews()] == ["defect", "good", "undo", "undo"]
    assert page.button(key="undo").disabled
    assert "3 waiting" in html_of(page)


def test_skip_and_back_walk_the_queue_without_deciding(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    seen = []

    for key in (f"skip-{queue[0]}", f"skip-{queue[1]}", f"back-{queue[2]}", f"back-{queue[1]}"):
        page.button(key=key).click().run()
        seen.append(card(html_of(page)))

    assert seen == [queue[1], queue[2], queue[1], queue[0]]
    assert plant.reviews() == []


def test_after_the_oldest_card_the_newest_comes_again(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    for inspection in queue:
        page.button(key=f"skip-{inspection}").click().run()

    assert card(html_of(page)) == queue[0]


def test_a_new_frame_does_not_take_the_place_of_the_card_on_show(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    plant.add_frame(4.0)

    html = html_of(page.run())

    assert card(html) == queue[0]
    assert "4 waiting" in html


def test_a_card_somebody_decided_meanwhile_is_passed_over_with_a_word(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    with Session(plant.engine) as session, session.begin():
        add_review(session, queue[0], Decision.GOOD, reviewer=trusted("Ben"))

    page.button(key=f"defect-{queue[0]}").click().run()

    assert plant.reviews() == [(queue[0], "good", "Ben")]
    assert card(html_of(page)) == queue[1]
    assert "decided by someone else" in html_of(page)


def test_a_second_press_meant_for_the_card_before_decides_nothing(
    plant: Plant, queue: list[int], open_page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("review")
    page.button(key=f"defect-{queue[0]}").click().run()
    monkeypatch.setattr(deciding, "MIN_LOOK_S", 60.0)

    page.button(key=f"defect-{queue[1]}").click().run()

    assert plant.reviews() == [(queue[0], "defect", "operator")]


def test_only_the_chosen_cameras_frames_are_shown(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    right = plant.add_frame(2.7, camera="right")
    plant.add_line("saw")
    page = open_page("review")
    assert card(html_of(page)) == right

    page.selectbox(key="scope").select("press · left").run()
    left = html_of(page)
    page.selectbox(key="scope").select("saw").run()

    assert card(left) == queue[0]
    assert "3 waiting" in left
    assert "Nothing to review" in html_of(page)


def test_after_the_last_card_undo_is_still_at_hand(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()
    only = plant.add_frame(2.2)
    page = open_page("review")
    page.button(key=f"good-{only}").click().run()
    assert "Nothing to review" in html_of(page)

    page.button(key="undo").click().run()

    assert card(html_of(page)) == only


def test_a_decision_the_database_does_not_take_leaves_the_card_and_says_so(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    with plant.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON reviews "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )

    page.button(key=f"defect-{queue[0]}").click().run()

    assert card(html_of(page)) == queue[0]
    assert "Not stored" in html_of(page)


def test_the_maps_opacity_is_set_without_touching_the_picture(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    before = html_of(page)

    page.slider(key="opacity").set_value(25).run()

    styles = [element.proto.body for element in page.get("html")]
    assert "<style>.lw-heat { opacity: 0.25 }</style>" in styles
    assert html_of(page) == before
