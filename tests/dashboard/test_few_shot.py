"""The Few-shot set page: what the next training learns from, why not the rest, and changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from dashboard.few_shot import sheet
from db import samples
from db.access import trusted
from db.defect_classes import add_class
from db.lines import get_line
from db.masks import encode_mask
from db.tables import Sample, SampleLabel, SampleSource, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

ANNA = trusted("anna")
OpenPage = "Callable[[str], AppTest]"


@pytest.fixture
def add(plant: Plant) -> Callable[..., int]:
    """Adds a crack of the line `press` that the next training uses, unless told; its id."""
    plant.add_line()
    with Session(plant.engine) as session, session.begin():
        for name in ("hole", "crack"):
            add_class(session, get_line(session, "press"), name, actor=ANNA)

    def make(**changes: Any) -> int:
        with Session(plant.engine) as session, session.begin():
            grey = np.full((48, 64, 3), int(np.random.default_rng().integers(40, 200)), np.uint8)
            values: dict[str, Any] = {
                "line_id": get_line(session, "press").id,
                "frame_id": uuid7(),
                "source": SampleSource.IMPORT,
                "label": SampleLabel.DEFECT,
                "image_key": plant.store.put(cv2.imencode(".png", grey)[1].tobytes(), ".png"),
                "defect_class": "crack",
                "signature": b"s",
                "side": Side.TRAINING,
            }
            duplicate_of = changes.pop("duplicate_of_id", None)
            sample = samples.add(session, **{**values, **changes})
            sample.duplicate_of_id = duplicate_of
            return sample.id

    return make


def test_it_says_that_there_is_nothing_yet(
    plant: Plant, open_page: OpenPage, html_of: Callable[[AppTest], str]
) -> None:
    assert "No lines yet" in html_of(open_page("few_shot"))

    plant.add_line()
    page = open_page("few_shot").run()
    assert "No confirmed defects yet" in html_of(page)


def test_defects_stand_by_class_with_what_the_next_training_uses(
    plant: Plant, add: Callable[..., int], open_page: OpenPage, html_of: Callable[[AppTest], str]
) -> None:
    first = add()
    add(side=Side.GOLDEN)
    add(duplicate_of_id=first)
    add(defect_class="hole")
    add(defect_class=None, side=None, signature=None)
    with Session(plant.engine) as session, session.begin():
        samples.remove(session, add(), actor=ANNA, reason="blurred")

    html = html_of(open_page("few_shot"))

    assert "<b>2</b><span>defects the next training uses</span>" in html
    assert "<b>2</b><span>of them new since the last</span>" in html
    assert "<b>6</b><span>confirmed in all</span>" in html
    assert "1 golden · 1 near-duplicates · 1 not compared yet · 1 removed" in html
    assert html.index("<h2>hole</h2>") < html.index("<h2>crack</h2>") < html.index("No class")
    assert "4 confirmed · the next training uses 1" in html
    assert f"<b>Near-duplicate of {first}</b>" in html
    assert html.count('class="lw-cell golden"') == html.count('class="lw-cell gone"') == 1
    assert html.count('class="lw-cell used"') == 2
    assert html.count("data:image/jpeg;base64") == 6


def test_what_is_used_or_left_out_can_be_seen_alone(
    add: Callable[..., int], open_page: OpenPage, html_of: Callable[[AppTest], str]
) -> None:
    add()
    add(defect_class="hole", side=Side.GOLDEN)
    page = open_page("few_shot")

    page.segmented_control(key="few-shot-use").set_value("Left out").run()
    assert "<h2>hole</h2>" in html_of(page)
    assert "<h2>crack</h2>" not in html_of(page)

    page.segmented_control(key="few-shot-use").set_value("Used next").run()
    page.selectbox[0].set_value("hole").run()
    assert "Nothing to show" in html_of(page)


def test_a_large_set_is_shown_in_pages(
    add: Callable[..., int],
    open_page: OpenPage,
    html_of: Callable[[AppTest], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sheet, "PER_PAGE", 4)
    for _ in range(5):
        add()
    add(defect_class="hole")

    page = open_page("few_shot")
    assert html_of(page).count("lw-cell") == 4
    assert "5 confirmed" in html_of(page)

    page.session_state["few-shot-page"] = 2
    assert html_of(page.run()).count("lw-cell") == 2


def test_a_missing_picture_says_so_in_its_place(
    add: Callable[..., int], open_page: OpenPage, html_of: Callable[[AppTest], str]
) -> None:
    add(image_key=f"aa/{'a' * 64}.png")

    assert "<p>missing</p>" in html_of(open_page("few_shot"))


def test_the_defect_is_outlined_where_somebody_drew_it(
    plant: Plant, add: Callable[..., int], open_page: OpenPage, html_of: Callable[[AppTest], str]
) -> None:
    grey = cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    marked = np.zeros((48, 64), np.bool_)
    marked[10:20, 10:20] = True
    key = plant.store.put(grey, ".png")
    add(image_key=key, mask_key=plant.store.put(encode_mask(marked), ".png"))
    add(image_key=key)

    html = html_of(open_page("few_shot"))

    uris = [part.split('"')[0] for part in html.split('src="')[1:]]
    assert len(uris) == len(set(uris)) == 2


def open_defect(page: AppTest, sample_id: int) -> AppTest:
    return page.button(key=f"few-shot-{sample_id}").click().run()


def test_an_engineer_takes_one_out_with_a_reason_and_in_again(
    plant: Plant, add: Callable[..., int], open_page: OpenPage, html_of: Callable[[AppTest], str]
) -> None:
    sample_id = add()
    page = open_defect(open_page("few_shot"), sample_id)
    assert "The next training learns from it." in html_of(page)
    assert "nobody has drawn where the defect is" in html_of(page)

    page.button(key=f"few-shot-remove-{sample_id}").click().run()
    assert "Say why" in html_of(page)

    page.text_input(key=f"few-shot-reason-{sample_id}").set_value("out of focus")
    page.button(key=f"few-shot-remove-{sample_id}").click().run()
    assert f"Defect {sample_id} is removed" in html_of(page)
    with Session(plant.engine) as session:
        row = session.scalars(select(Sample)).one()
        assert (row.removed_by, row.removed_reason) == ("operator", "out of focus")

    page = open_defect(page, sample_id)
    assert "out of focus" in html_of(page)
    page.text_input(key=f"few-shot-reason-{sample_id}").set_value("sharp enough")
    page.button(key=f"few-shot-restore-{sample_id}").click().run()
    with Session(plant.engine) as session:
        assert session.scalars(select(Sample)).one().removed_at is None


def test_a_press_never_undoes_what_somebody_else_did_meanwhile(
    plant: Plant, add: Callable[..., int], open_page: OpenPage, html_of: Callable[[AppTest], str]
) -> None:
    sample_id = add()
    page = open_defect(open_page("few_shot"), sample_id)
    with Session(plant.engine) as session, session.begin():
        samples.remove(session, sample_id, actor=trusted("ben"), reason="not ours")

    page.text_input(key=f"few-shot-reason-{sample_id}").set_value("mine")
    page.button(key=f"few-shot-remove-{sample_id}").click().run()

    assert "ben, " in html_of(page)
    assert "not ours" in html_of(page)
    with Session(plant.engine) as session:
        assert session.scalars(select(Sample)).one().removed_by == "ben"


def test_each_line_has_its_own_set(
    plant: Plant, add: Callable[..., int], open_page: OpenPage, html_of: Callable[[AppTest], str]
) -> None:
    add()
    plant.add_line("lathe")

    page = open_page("few_shot")
    assert "No confirmed defects yet" in html_of(page)
    page.segmented_control(key="few-shot-line").set_value("press").run()
    assert "<h2>crack</h2>" in html_of(page)
