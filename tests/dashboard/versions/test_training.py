"""Trainings on the Models page, without a browser."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from dashboard.versions import training
from db import retrainings
from db.access import trusted
from db.lines import get_line
from db.tables import Retraining, RetrainingReason, utc_now
from tests.dashboard.conftest import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]


def test_a_training_is_asked_for_once(plant: Plant, models: AppTest, html_of: Reader) -> None:
    models.button(key="retrain").click().run()

    html = html_of(models)
    assert "It begins once a trainer is free." in html
    assert "<code>linewatch trainer</code>" not in html
    with Session(plant.engine) as session:
        line = get_line(session, "press")
        found = retrainings.open_retraining(session, line.id)
    assert found is not None
    assert (found.reason, found.requested_by) == ("person", "operator")
    assert "retrain" not in keys(models)


def test_a_running_training_shows_its_progress_and_is_cancelled(
    plant: Plant, seed_line: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    seed_line()
    with Session(plant.engine) as session, session.begin():
        line = get_line(session, "press")
        asked = retrainings.request(
            session, line, reason=RetrainingReason.DRIFT, actor=trusted("schedule")
        )
        retrainings.begin(session, asked.id)
        retrainings.report(session, asked.id, stage="fit_flow", done=30, total=120, now=utc_now())
        asked_id = asked.id
    page = open_page("models")
    html = html_of(page)

    page.button(key=f"cancel-training-{asked_id}").click().run()

    assert "Fit flow" in html
    assert "30 of 120" in html
    assert "width:25.0%" in html
    assert "the scores have moved" in html
    with Session(plant.engine) as session:
        found = session.get_one(Retraining, asked_id)
    assert found.cancel_asked_by == "operator"
    assert page.button(key=f"cancel-training-{asked_id}").disabled


def test_a_training_with_too_few_anomalies_says_so(models: AppTest, html_of: Reader) -> None:
    html = html_of(models)

    assert ">failed</span>" in html
    assert "3 confirmed defects wanted, 1 there: review flagged parts" in html


def test_what_is_missing_before_a_retraining_is_told_and_none_is_asked_for(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()

    page = open_page("models")

    html = html_of(page)
    assert "Before a retraining can run" in html
    for lack in (
        "12 good samples wanted, 0 there: teach the line",
        "3 confirmed defects wanted, 0 there: review flagged parts",
        "10 good golden samples wanted, 0 there: review flagged and audit parts",
        "3 golden defects wanted, 0 there: confirm more defects",
    ):
        assert lack in html
    assert page.button(key="retrain").disabled


def test_a_training_that_nobody_takes_says_how_a_trainer_is_started(
    plant: Plant, models: AppTest
) -> None:
    with Session(plant.engine) as session, session.begin():
        line = get_line(session, "press")
        asked = retrainings.request(
            session, line, reason=RetrainingReason.DRIFT, actor=trusted("schedule")
        )
        later = asked.requested_at + timedelta(seconds=training.PATIENCE_S + 1)

        html = training.card(asked, later, 0.0)

    assert "1 min so far" in html
    assert "start one with <code>linewatch trainer</code>" in html
