"""The Quality page against a real database, without a browser."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import streamlit as st
from sqlalchemy import insert, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from dashboard.quality import reading
from db.access import trusted
from db.defect_classes import add_class
from db.lines import get_line, get_or_add_camera
from db.model_versions import active_version
from db.reviews import add_review
from db.tables import Decision, Inspection, Line, ModelVersion, Review, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]
    Downloads = Callable[[str], list[dict[str, str]]]

DAYS, PARTS_A_DAY, MINUTES_APART = 30, 400, 3.6
#: From this day on, one camera sees more defects, and its scores are higher.
SHIFT_AT = 15
CLASSES = ("scratch", "dent", "pinhole", "stain", "edge chip")


@pytest.fixture(autouse=True)
def plant_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days from midnight in UTC, in three shifts."""
    monkeypatch.setenv("LINEWATCH_SHIFT_STARTS", '["00:00", "08:00", "16:00"]')
    monkeypatch.setenv("LINEWATCH_PLANT_TIMEZONE", "UTC")


@pytest.fixture
def month(plant: Plant) -> Plant:
    """Thirty days of two cameras, the last one being yesterday, with reviews and audits."""
    plant.add_line()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=DAYS)
    rng = np.random.default_rng(3)
    with Session(plant.engine) as session, session.begin():
        line = get_line(session, "press")
        version = active_version(session, "press")
        assert version is not None
        version.created_at = start
        cameras = [get_or_add_camera(session, line.id, name).id for name in ("left", "right")]
        parts, words = [], []
        for number in range(DAYS * PARTS_A_DAY):
            is_right = number % 2 == 1
            has_shifted = is_right and number >= SHIFT_AT * PARTS_A_DAY
            is_defect = bool(rng.random() < (0.16 if has_shifted else 0.04))
            score = abs(rng.normal(0.75 if has_shifted else 0.6, 0.12)) + is_defect
            recorded_at = start + timedelta(minutes=MINUTES_APART * number)
            part = _part(rng, float(score)) | {
                "id": number + 1,
                "line_id": line.id,
                "camera_id": cameras[is_right],
                "model_version_id": version.id,
                "captured_at": recorded_at,
                "recorded_at": recorded_at,
            }
            parts.append(part)
            if part["verdict"] != "PASS" or part["audit_probability"]:
                words.append(_word(rng, part, is_defect=is_defect))
                part |= {"label": words[-1]["decision"], "defect_class": words[-1]["defect_class"]}
        session.execute(insert(Inspection), parts)
        session.execute(insert(Review), words)
    return plant


def _part(rng: np.random.Generator, score: float) -> dict[str, Any]:
    verdict = Verdict.REJECT if score >= 2 else Verdict.REVIEW if score >= 1 else Verdict.PASS
    is_audited = verdict is Verdict.PASS and rng.random() < 0.05
    return {
        "frame_id": uuid7(),
        "sequence": 0,
        "score": score,
        "verdict": verdict.value,
        "audit_probability": 0.05 if is_audited else None,
        "label": None,
        "defect_class": None,
    }


def _word(rng: np.random.Generator, part: dict[str, Any], *, is_defect: bool) -> dict[str, Any]:
    # The root of an even number below 25 makes the later classes the more frequent ones.
    named = CLASSES[int(rng.integers(25) ** 0.5)] if is_defect else None
    return {
        "inspection_id": part["id"],
        "camera_id": part["camera_id"],
        "reviewer": "ana",
        "decision": "defect" if is_defect else "good",
        "defect_class": named,
        "created_at": part["recorded_at"] + timedelta(minutes=5),
    }


def _choose(page: AppTest, key: str, value: str) -> AppTest:
    """Use the control of that key."""
    for kind in ("button_group", "selectbox"):
        for element in page.get(kind):
            if element.key is not None and element.key.startswith(key):
                return element.set_value(value).run()
    raise AssertionError(f"there is no control {key}")


def _pictures(page: AppTest) -> list[str]:
    return [element.value for element in page.markdown if "<svg" in element.value]


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> Downloads:
    """Gives the rows of the CSV file that the page offered last under a key."""
    offered: dict[str, bytes] = {}

    def offer(_label: str, data: bytes, *, key: str, **_: object) -> bool:
        offered[key] = data
        return False

    # AppTest keeps no files; a real download is among the browser tests.
    monkeypatch.setattr(st, "download_button", offer)

    def read(key: str) -> list[dict[str, str]]:
        text = offered[f"quality-download-{key}"].decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))

    return read


def test_a_month_is_told_in_numbers_charts_and_words(
    month: Plant, open_page: Opener, html_of: Reader
) -> None:
    page = _choose(open_page("quality"), "quality_days", "30 days")

    html = html_of(page)
    # Today has no parts yet, so that 29 of the 30 days are in: 29 x 400.
    assert "<b>11,600</b><span>Inspected" in html
    assert len(_pictures(page)) == 3
    assert "Out of control at" in html
    assert "Escape rate" in html
    assert "confirmed on parts inspected in this period" in html
    assert "<th>ana</th>" in html
    assert "Too few scores" not in html


def test_the_shift_of_the_process_shows_on_its_camera_and_not_on_the_other(
    month: Plant, open_page: Opener, html_of: Reader
) -> None:
    page = _choose(open_page("quality"), "quality_days", "30 days")

    right = html_of(_choose(page, "quality_camera", "right"))
    left = html_of(_choose(page, "quality_camera", "left"))

    assert "above the upper limit" in right
    assert "The scores have drifted" in right
    assert "above the upper limit" not in left
    assert "The scores are stable" in left


def test_a_line_without_parts_says_so(plant: Plant, open_page: Opener, html_of: Reader) -> None:
    plant.add_line()

    page = open_page("quality")

    assert "No parts in this time" in html_of(page)
    assert _pictures(page) == []


def test_without_lines_it_says_how_to_add_one(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    assert "No lines yet" in html_of(open_page("quality"))


def test_frames_that_just_came_are_counted_and_those_that_never_were_inspected_apart(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()
    for score in (0.3, 0.4, 0.5, 2.5, None):
        plant.add_frame(score)

    html = html_of(open_page("quality"))

    assert "<b>75.00 %</b><span>Yield: passed of inspected" in html
    assert "<b>4</b><span>Inspected" in html
    assert "<b>1 · 25.00 %</b><span>Rejected" in html
    assert 'lw-figure asks"><b>1</b><span>Not inspected' in html
    assert "Nothing is known of escapes" in html
    assert "No defect of this period is confirmed yet" in html
    assert "Too few scores to tell" in html


def test_a_line_whose_frames_were_never_inspected_has_no_chart(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()
    plant.add_frame(None)
    with Session(plant.engine) as session, session.begin():
        session.execute(update(Line).values(active_model_version_id=None))

    html = html_of(open_page("quality"))

    assert "No part was inspected" in html
    assert "No model is active on this line" in html


def test_the_numbers_of_the_csv_are_those_of_the_page(
    month: Plant, open_page: Opener, html_of: Reader, downloads: Downloads
) -> None:
    page = _choose(open_page("quality"), "quality_days", "30 days")

    html = html_of(page)
    periods = downloads("periods")
    classes = downloads("pareto")

    assert len(periods) == 30
    assert sum(int(row["inspected"]) for row in periods) == 11_600
    last = periods[-2]
    cells = re.findall(r"<td>(.*?)</td>", html.partition(f"<td>{last['period']}</td>")[2])[:9]
    shown = [cell.replace(",", "").replace("–", "") for cell in cells]
    assert shown == [
        last[name]
        for name in (
            "inspected", "passed", "review", "rejected", "not_inspected", "yield_percent",
            "flagged_percent", "lower_limit_percent", "upper_limit_percent",
        )
    ]  # fmt: skip
    told = re.search(r"([\d,]+) defects confirmed on parts", html)
    assert told is not None
    assert sum(int(row["count"]) for row in classes) == int(told[1].replace(",", ""))
    assert {row["defect_class"] for row in classes} == set(CLASSES)


def test_shift_share_limits_and_unit_are_chosen(
    month: Plant, open_page: Opener, html_of: Reader, downloads: Downloads
) -> None:
    page = _choose(open_page("quality"), "quality_days", "7 days")
    assert "<b>2,400</b><span>Inspected" in html_of(page)  # six whole days

    page = _choose(page, "quality_shift", "08:00–16:00")
    # A part every 3.6 minutes; from minute 480 to 960 of a day they are 133.3: numbers 134 to 266.
    assert f"<b>{6 * 133}</b><span>Inspected" in html_of(page)
    page = _choose(page, "quality_share", "Rejected")
    page = _choose(page, "quality_unit", "Hour")
    page = _choose(page, "quality_limits", "Period before")
    page = _choose(page, "quality_reference", "Period before")

    html = html_of(page)
    assert "from the period before" in html
    assert "<th>Rejected, %</th>" in html
    assert "period before, n = " in html
    rows = downloads("periods")
    assert rows[0]["start"].endswith("T08:00:00+00:00")
    assert "rejected_percent" in rows[0]


def test_days_can_be_chosen_freely_but_not_too_many(
    month: Plant, open_page: Opener, html_of: Reader
) -> None:
    page = _choose(open_page("quality"), "quality_days", "Custom")
    today = datetime.now(UTC).date()

    page = (
        page.date_input[0].set_value((today - timedelta(days=3), today - timedelta(days=2))).run()
    )
    assert "<b>800</b><span>Inspected" in html_of(page)
    page = page.date_input[0].set_value((today - timedelta(days=100), today)).run()
    assert "Choose at most 92 days at a time" in html_of(page)
    page = page.date_input[0].set_value((today,)).run()
    assert "Choose the last day, too" in html_of(page)


def test_a_shift_that_has_not_begun_says_so(
    month: Plant, open_page: Opener, html_of: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A day that began with this minute has not got to its second shift, a minute before midnight,
    # unless that is now.
    now = datetime.now(UTC)
    if now.hour == 23 and now.minute >= 57:
        pytest.skip("the day's second shift has begun")
    monkeypatch.setenv("LINEWATCH_SHIFT_STARTS", '["00:00", "23:59"]')
    page = _choose(open_page("quality"), "quality_days", "Today")

    page = _choose(page, "quality_shift", "23:59–00:00")

    assert "This shift has not begun yet" in html_of(page)


def test_unreadable_settings_are_explained_on_the_page(
    plant: Plant, open_page: Opener, html_of: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.add_line()
    monkeypatch.setenv("LINEWATCH_SHIFT_STARTS", "six")

    assert "write times of day in rising order" in html_of(open_page("quality"))


def test_names_from_data_are_no_html(plant: Plant, open_page: Opener, html_of: Reader) -> None:
    plant.add_line()
    inspection = plant.add_frame(2.5)
    with Session(plant.engine) as session, session.begin():
        line = get_line(session, "press")
        add_class(session, line, "<img src=x>", actor=trusted("test"))
        add_review(
            session,
            inspection,
            Decision.DEFECT,
            reviewer=trusted("<i>eve</i>"),
            defect_class="<img src=x>",
        )

    page = open_page("quality")

    everything = html_of(page) + "".join(_pictures(page))
    assert "&lt;i&gt;eve" in everything
    assert "&lt;img src=x&gt;" in everything
    assert "<i>eve" not in everything
    assert "<img" not in everything


def test_a_model_that_was_changed_is_compared_with_its_own_first_frames_only(
    month: Plant, open_page: Opener, html_of: Reader
) -> None:
    # The version is said to have begun two days ago: it has fewer than 2,000 frames, all of which
    # are the reference.
    with Session(month.engine) as session, session.begin():
        session.execute(
            update(ModelVersion).values(created_at=datetime.now(UTC) - timedelta(days=2))
        )

    html = html_of(_choose(open_page("quality"), "quality_days", "30 days"))

    assert "Too few scores to tell" in html


def test_an_answer_is_kept_for_a_while(
    month: Plant, open_page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    count = reading.quality.count_verdicts
    monkeypatch.setattr(
        reading.quality, "count_verdicts", lambda *a: (asked.append(a), count(*a))[1]
    )
    page = _choose(open_page("quality"), "quality_days", "30 days")
    first = len(asked)

    _choose(page, "quality_share", "Rejected")

    # Where the half minute ended in between, everything is read again.
    assert len(asked) in (first, first + 2)
