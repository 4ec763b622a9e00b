"""The Models page against a real database, without a browser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from dashboard import actor
from dashboard.versions import table, training
from db import audit, thresholds
from db.defect_classes import list_classes
from db.line_settings import LineSettings
from db.lines import get_line
from db.model_overview import VersionState
from db.model_versions import active_version, get_model_version
from db.tables import RetrainingReason, RetrainingState, Role, utc_now
from tests.dashboard.conftest import keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]


def active(plant: Plant) -> int:
    """The number of the version that scores."""
    with Session(plant.engine) as session:
        found = active_version(session, "press")
        assert found is not None
        return found.number


def change(plant: Plant, number: int, **values: Any) -> None:
    """Change a version behind the page's back."""
    with Session(plant.engine) as session, session.begin():
        version = get_model_version(session, get_line(session, "press"), number)
        for name, value in values.items():
            setattr(version, name, value)


def test_the_versions_are_listed_with_what_they_learned_from_and_their_state(
    models: AppTest, html_of: Reader
) -> None:
    html = html_of(models)

    assert "Version 3, bgad" in html
    for state in ("candidate", "active", "failed gate", "earlier"):
        assert f">{state}</span>" in html
    assert "30 good, 16 defects" in html
    assert "elsewhere" in html


def test_the_candidate_is_shown_first_with_its_gate_and_its_shadow(
    models: AppTest, html_of: Reader
) -> None:
    html = html_of(models)

    assert "<h2>Version 4</h2>" in html
    assert "Champion <small>version 3</small>" in html
    assert "Candidate <small>version 4</small>" in html
    # 5 of 31 and 2 of 31 defects escape.
    assert "16.1 %" in html
    assert "6.5 %" in html
    assert "blowhole" in html
    assert "98.5 %" in html


def test_a_candidates_scores_come_from_its_shadow(models: AppTest, html_of: Reader) -> None:
    assert "newest 200 parts" in html_of(models)

    models.button(key="show-2").click().run()

    assert "newest 0 parts" in html_of(models)
    assert "This version has not scored a frame yet" in html_of(models)


def test_a_version_that_failed_says_why_and_cannot_be_promoted(
    models: AppTest, html_of: Reader
) -> None:
    models.button(key="show-2").click().run()

    assert "6 of 31 golden defects escape it, 2 escape version 1" in html_of(models)
    assert "promote-2" not in keys(models)
    assert "retire-2" in keys(models)


def test_a_promotion_is_confirmed_and_made(plant: Plant, models: AppTest, html_of: Reader) -> None:
    models.button(key="promote-4").click().run()
    asked = html_of(models)
    assert active(plant) == 3

    models.button(key="ask-confirm").click().run()

    assert "From the next batch on, version 4 gives the verdicts" in asked
    assert active(plant) == 4
    assert "Version 4 scores line press from the next batch on" in html_of(models)
    with Session(plant.engine) as session:
        event = audit.list_events(session, subject="line:press")[0]
    assert (event.action, event.details["former"]) == ("model.promoted", 3)


def test_a_promotion_can_be_thought_better_of(plant: Plant, models: AppTest) -> None:
    models.button(key="promote-4").click().run()
    models.button(key="ask-cancel").click().run()

    assert active(plant) == 3


def test_an_earlier_version_is_rolled_back_to(plant: Plant, models: AppTest) -> None:
    models.button(key="show-1").click().run()
    models.button(key="roll-back-1").click().run()
    models.button(key="ask-confirm").click().run()

    assert active(plant) == 1


def test_a_version_is_retired(plant: Plant, models: AppTest, html_of: Reader) -> None:
    models.button(key="retire-4").click().run()
    models.button(key="ask-confirm").click().run()

    assert ">retired</span>" in html_of(models)
    assert "promote-4" not in keys(models)


def test_what_changed_meanwhile_is_told_and_nothing_is_changed(
    plant: Plant, models: AppTest, html_of: Reader
) -> None:
    models.button(key="promote-4").click().run()
    change(plant, 4, retired_at=utc_now())

    models.button(key="ask-confirm").click().run()

    assert "Model version 4 of line &#x27;press&#x27; is retired since" in html_of(models)
    assert active(plant) == 3


def test_a_candidate_in_the_shadow_shows_how_far_it_is(
    plant: Plant, seed_line: Callable[..., int], open_page: Opener, html_of: Reader
) -> None:
    seed_line()
    change(plant, 4, shadow=None)
    with Session(plant.engine) as session, session.begin():
        line = get_line(session, "press")
        line.shadow_model_version_id = get_model_version(session, line, 4).id
        line.shadow_frames = 500

    page = open_page("models")

    assert "It has scored 200 of 500 live frames" in html_of(page)
    assert "promote-4" not in keys(page)
    page.button(key="activate-anyway-4").click().run()
    assert "is still in the shadow" in html_of(page)


def test_a_version_whose_files_are_gone_cannot_score_and_says_so(
    plant: Plant, models: AppTest, html_of: Reader, tmp_path: Path
) -> None:
    models.button(key="promote-4").click().run()
    change(plant, 4, artifact_path=str(tmp_path / "gone"))

    models.button(key="ask-confirm").click().run()

    told = "The files of model version 4 of line &#x27;press&#x27; are gone from"
    assert html_of(models).count(told) == 2  # what became of the press, and of the version
    assert active(plant) == 3
    assert keys(models).isdisjoint({"promote-4", "activate-anyway-4"})


def test_moving_a_slider_estimates_and_saving_is_told_with_its_reason(
    plant: Plant, models: AppTest, html_of: Reader
) -> None:
    models.button(key="show-3").click().run()
    assert "now " not in html_of(models)
    review = models.slider[0]
    assert models.button(key="save-thresholds").disabled

    review.set_value(1.2).run()
    html = html_of(models)
    models.text_input(key=_reason(models)).set_value("escapes at the edge").run()
    models.button(key="save-thresholds").click().run()

    assert "<em>now " in html
    with Session(plant.engine) as session:
        version = get_model_version(session, get_line(session, "press"), 3)
        newest = thresholds.threshold_history(session, version)[0]
    assert (version.review_threshold, version.reject_threshold) == (1.2, 2.2)
    assert (newest.reason, newest.changed_by) == ("escapes at the edge", "operator")
    assert "escapes at the edge" in html_of(models)
    assert models.button(key="save-thresholds").disabled


def _reason(page: AppTest) -> str:
    return next(str(one.key) for one in page.text_input if "threshold-reason" in str(one.key))


def test_the_review_threshold_takes_the_other_one_along(models: AppTest) -> None:
    models.button(key="show-3").click().run()

    models.slider[0].set_value(2.5).run()

    assert [one.value for one in models.slider] == [2.5, 2.5]


def test_who_changed_the_thresholds_is_shown(models: AppTest, html_of: Reader) -> None:
    models.button(key="show-3").click().run()

    html = html_of(models)

    assert "Review 1.450 → <b>1.600</b>" in html
    assert "too many good parts to look at since the new lamp" in html


def test_settings_are_saved_and_told(plant: Plant, models: AppTest, html_of: Reader) -> None:
    models.number_input(key="audit_rate-percent").set_value(5.0)
    models.toggle(key="has Hours between trainings").set_value(False)
    models.selectbox(key="promotion").set_value("automatic")
    models.button(key="save-settings").click().run()

    assert "The settings are saved" in html_of(models)
    with Session(plant.engine) as session:
        found = LineSettings.of(get_line(session, "press"))
        event = audit.list_events(session, subject="line:press")[0]
    assert (found.audit_rate, found.retrain_every_h, found.promotion) == (0.05, None, "automatic")
    assert set(event.details) == {"audit_rate", "retrain_every_h", "promotion"}


def test_defect_classes_are_added_retired_and_put_in_order_as_one_list(
    plant: Plant, models: AppTest, html_of: Reader
) -> None:
    models.text_area(key="class-names").set_value("scratch\n\n crack ")
    models.button(key="save-classes").click().run()
    models.text_area(key="class-names").set_value("crack\ndent")
    models.button(key="save-classes").click().run()

    assert "The defect classes are saved" in html_of(models)
    with Session(plant.engine) as session:
        offered = list_classes(session, get_line(session, "press").id)
    assert [known.name for known in offered] == ["crack", "dent"]

    models.text_area(key="class-names").set_value("crack\ncrack")
    models.button(key="save-classes").click().run()

    assert "stands there twice" in html_of(models)


def test_an_operator_sees_everything_and_changes_nothing(
    seed_line: Callable[..., int],
    open_page: Opener,
    html_of: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed_line()
    monkeypatch.setattr(actor, "current_role", lambda: Role.OPERATOR)

    page = open_page("models")

    assert keys(page) == {"show-1", "show-2", "show-3", "show-4"}
    assert not page.slider
    assert "Audit sample 1 %, without a second opinion" in html_of(page)


def test_without_lines_and_without_models_the_page_says_what_to_do(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    assert "linewatch line add NAME" in html_of(open_page("models"))
    plant.add_line(model=False)

    html = html_of(open_page("models"))

    assert "No model yet" in html
    assert "Teach the line" in html
    assert "3 confirmed defects wanted, 0 there" in html
    assert "golden" not in html, "there is no champion to compare with"


def test_the_page_is_quick_with_fifty_thousand_inspections(
    plant: Plant, seed_line: Callable[..., int], open_page: Opener
) -> None:
    seed_line(frames=50_000)
    page = open_page("models")

    def read_scores() -> None:
        with Session(plant.engine) as session:
            version = get_model_version(session, get_line(session, "press"), 3)
            sample = thresholds.score_sample(session, version)
        assert len(sample.recent) == thresholds.MAX_RECENT
        assert len(sample.judged) > 1000

    assert min(_seconds(page.run) for _ in range(5)) < 0.3
    assert min(_seconds(read_scores) for _ in range(5)) < 0.3


def _seconds(run: Callable[[], object]) -> float:
    """Of processor time: other tests may run beside this one."""
    started = time.process_time()
    run()
    return time.process_time() - started


def test_every_state_and_reason_has_its_words() -> None:
    assert set(table.CHIPS) == set(VersionState)
    assert set(training.REASONS) == set(RetrainingReason)
    assert set(training.CHIPS) == set(RetrainingState)
