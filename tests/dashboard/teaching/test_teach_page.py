"""The page Teach a line against a real database, without a browser."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from dashboard.teaching.start import DETECTORS, NAME
from db import retrainings, teachings
from db.access import trusted
from db.lines import get_line, list_lines
from db.model_versions import active_version, add_model_version
from db.tables import RetrainingState, Teaching, utc_now
from ingest import frame as ingest_frame
from models.detector import detector_names
from tests.dashboard.conftest import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]

MANIFEST = {
    "detector": "patchcore",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": {"review": 1.25, "reject": 2.5},
}


def state(plant: Plant) -> str:
    """Of the newest teaching."""
    with Session(plant.engine) as session:
        found = teachings.latest_teaching(session, get_line(session, "press").id)
        assert found is not None
        return found.state


def end_training(plant: Plant, outcome: RetrainingState, *, message: str = "") -> None:
    """Run the open training as a trainer would; with DONE there is a version."""
    with Session(plant.engine) as session, session.begin():
        line = get_line(session, "press")
        found = retrainings.open_retraining(session, line.id)
        assert found is not None
        retrainings.begin(session, found.id)
        number = None
        if outcome is RetrainingState.DONE:
            number = add_model_version(
                session, line, artifact_path="/models/1", manifest=MANIFEST,
                manifest_sha256="0" * 64, actor=trusted("retraining"),
            ).id  # fmt: skip
        retrainings.finish(session, found.id, outcome, message=message, model_version_id=number)


def test_the_form_knows_every_detector_and_the_names_cameras_accept() -> None:
    assert sorted(DETECTORS) == detector_names() == list(teachings.DETECTORS)
    assert NAME.pattern == ingest_frame.NAME.pattern


def test_a_line_is_added_where_there_is_none(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    page = open_page("teach")
    page.text_input(key="new-line-name").set_value("new press")
    page.button(key="add-line").click().run()
    refused = html_of(page)

    page.text_input(key="new-line-name").set_value("press-7")
    page.button(key="add-line").click().run()

    assert "The name &#x27;new press&#x27; cannot be used" in refused
    assert "Line press-7 is added" in html_of(page)
    with Session(plant.engine) as session:
        assert [line.name for line in list_lines(session)] == ["press-7"]
    assert "start-teaching" in keys(page)


def test_a_line_that_was_added_beside_others_is_chosen(plant: Plant, open_page: Opener) -> None:
    plant.add_line()
    page = open_page("teach")

    page.segmented_control(key="taught-line").set_value("New line").run()
    page.text_input(key="new-line-name").set_value("mill")
    page.button(key="add-line").click().run()

    assert page.session_state["taught-line"] == "mill"
    assert "start-teaching" in keys(page)


def test_collecting_is_started(plant: Plant, open_page: Opener, html_of: Reader) -> None:
    plant.add_line(model=False)
    page = open_page("teach")

    page.number_input(key="teach-frames").set_value(50)
    page.selectbox(key="teach-detector").set_value("bgad")
    page.button(key="start-teaching").click().run()

    with Session(plant.engine) as session:
        found = teachings.collecting(session, get_line(session, "press").id)
    assert found is not None
    assert (found.frames_wanted, found.camera, found.detector) == (50, None, "bgad")
    assert found.started_by == "operator"
    assert "0 of 50 frames" in html_of(page)


def test_collecting_shows_how_far_it_is(
    teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teach(wanted=40, there=10)

    page = open_page("teach")

    html = html_of(page)
    assert "10 of 40 frames" in html
    assert "width:25.0%" in html
    assert html.count('<img decoding="sync"') == 8
    assert page.button(key="stop-collecting").disabled


def test_what_is_missing_is_said_when_no_frame_comes(
    plant: Plant, teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teaching_id = teach(wanted=40, there=0)
    with Session(plant.engine) as session, session.begin():
        teaching = session.get_one(Teaching, teaching_id)
        teaching.started_at = utc_now() - timedelta(minutes=3)

    html = html_of(open_page("teach"))

    assert "No frame has come for 3 min" in html
    assert "<code>linewatch ingest</code>" in html


def test_enough_frames_can_be_looked_over_before_all_are_there(
    plant: Plant, teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teach(wanted=40, there=15)
    page = open_page("teach")

    page.button(key="stop-collecting").click().run()

    assert state(plant) == "looking_over"
    assert "15 frames stay" in html_of(page)


def test_frames_are_thrown_out_and_taken_back_by_a_press(
    plant: Plant, teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teaching_id = teach()
    with Session(plant.engine) as session:
        eighth = teachings.frames(session, teaching_id)[7].id
    page = open_page("teach")

    page.button(key=f"frame-{eighth}").click().run()
    thrown_out = html_of(page)
    page.button(key=f"frame-{eighth}").click().run()

    assert "29 frames stay" in thrown_out
    assert thrown_out.count("<b>Thrown out</b>") == 1
    assert "30 frames stay" in html_of(page)
    assert "<b>Thrown out</b>" not in html_of(page)


def test_the_sheet_has_pages(teach: Callable[..., int], open_page: Opener, html_of: Reader) -> None:
    teach(wanted=30, there=30)
    page = open_page("teach")
    first = html_of(page)

    page.session_state["sheet-page"] = 2
    page.run()

    assert first.count("lw-cell") == 24
    assert html_of(page).count("lw-cell") == 6
    assert "<i>30</i>" in html_of(page)


def test_a_picture_that_is_gone_leaves_its_place(
    plant: Plant, teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teaching_id = teach(wanted=12, there=12)
    with Session(plant.engine) as session, session.begin():
        teachings.frames(session, teaching_id)[0].image_key = "ab/" + "ab" * 32 + ".png"

    assert "<p>missing</p>" in html_of(open_page("teach"))


def test_from_training_to_verdicts(
    plant: Plant, teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teach()
    page = open_page("teach")
    page.button(key="train").click().run()
    waiting = html_of(page)
    end_training(plant, RetrainingState.DONE)

    page.run()
    trained = html_of(page)
    page.button(key="activate-1").click().run()
    page.button(key="ask-confirm").click().run()

    assert "It begins once a trainer is free." in waiting
    assert "Version 1 is trained" in trained
    assert "A person looks from 1.250, parts are rejected from 2.500" in trained
    with Session(plant.engine) as session:
        active = active_version(session, "press")
    assert active is not None
    assert "It gives the line&#x27;s verdicts now" in html_of(page).replace("'", "&#x27;")
    assert '<li class="now"><b>5</b>Activate</li>' in trained
    assert '<li class="done"><b>5</b>Activate</li>' in html_of(page)
    assert state(plant) == "done"
    assert "start-teaching" in keys(page), "it can be taught again"


def test_a_training_that_failed_says_why_and_leaves_the_sheet(
    plant: Plant, teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teach()
    page = open_page("teach")
    page.button(key="train").click().run()

    end_training(plant, RetrainingState.FAILED, message="3 good samples there: teach the line")
    page.run()

    assert "The training ended without a model: 3 good samples there" in html_of(page)
    assert "train" in keys(page)


def test_too_few_frames_are_refused_with_words(
    plant: Plant, teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teaching_id = teach(wanted=12, there=12)
    with Session(plant.engine) as session, session.begin():
        ids = [teachings.frames(session, teaching_id)[0].id]
        teachings.throw_out(session, ids, actor=trusted("anna"))
    page = open_page("teach")

    page.button(key="train").click().run()

    assert "Only 11 frames stay, and training needs at least 12" in html_of(page)
    assert state(plant) == "looking_over"


def test_a_teaching_is_cancelled_after_a_second_press(
    plant: Plant, teach: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    teach()
    page = open_page("teach")

    page.button(key="cancel-teaching").click().run()
    assert state(plant) == "looking_over"
    assert "The 30 frames collected so far are thrown away" in html_of(page)
    page.button(key="ask-confirm").click().run()

    assert state(plant) == "cancelled"
    assert "start-teaching" in keys(page)
