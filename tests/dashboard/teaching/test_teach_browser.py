"""Teach a line in a real Chromium: throw frames out, train, and see the verdicts' model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db import retrainings, teachings
from db.access import trusted
from db.lines import get_line
from db.model_versions import active_version, add_model_version
from db.tables import RetrainingState

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.dashboard.conftest import Plant

pytestmark = pytest.mark.slow

MANIFEST = {
    "detector": "patchcore",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": {"review": 1.25, "reject": 2.5},
}


def test_a_line_is_taught_from_frames_to_an_active_model(
    plant: Plant, teach: Callable[..., int], page: Page
) -> None:
    teaching_id = teach(wanted=16, there=12)
    page.get_by_role("link", name="Teach a line").click()
    expect(page.locator(".lw-panel")).to_contain_text("12 of 16 frames")

    # The last frames come while the page is open: the sheet appears by itself.
    with Session(plant.engine) as session, session.begin():
        teaching = teachings.require_open(session, get_line(session, "press"))
        key = teachings.frames(session, teaching_id)[0].image_key
        for _ in range(4):
            teachings.add_frame(
                session, teaching, frame_id=uuid7(), image_key=key, part_id=None, lot_id=None
            )
    expect(page.locator(".lw-title h2")).to_have_text("16 frames stay")
    expect(page.locator(".lw-cell")).to_have_count(16)
    assert page.locator(".lw-cell img").first.evaluate("image => image.naturalWidth") == 320

    # A press on the picture itself, which its button covers.
    for place in (7, 9):
        page.locator(".lw-cell").nth(place).click(force=True)
        expect(page.locator(".lw-cell.out").last).to_contain_text(str(place + 1))
    expect(page.locator(".lw-title h2")).to_have_text("14 frames stay")
    page.locator(".lw-cell").nth(9).click(force=True)
    expect(page.locator(".lw-title h2")).to_have_text("15 frames stay")

    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".lw-panel")).to_contain_text("once a trainer is free")
    _train(plant)

    expect(page.locator(".lw-panel").first).to_contain_text("Version 1 is trained")
    page.get_by_role("button", name="Activate").click()
    page.get_by_role("dialog").get_by_role("button", name="Activate").click()

    expect(page.locator(".lw-done")).to_contain_text("Version 1 scores line press")
    expect(page.get_by_role("link", name="See the verdicts on Live")).to_be_visible()
    with Session(plant.engine) as session:
        assert active_version(session, "press") is not None
        assert teachings.count_frames(session, teaching_id).kept == 15


def _train(plant: Plant) -> None:
    """What the trainer does."""
    with Session(plant.engine) as session, session.begin():
        line = get_line(session, "press")
        found = retrainings.open_retraining(session, line.id)
        assert found is not None
        retrainings.begin(session, found.id)
        version = add_model_version(
            session, line, artifact_path="/models/1", manifest=MANIFEST,
            manifest_sha256="0" * 64, actor=trusted("retraining"),
        )  # fmt: skip
        retrainings.finish(session, found.id, RetrainingState.DONE, model_version_id=version.id)
