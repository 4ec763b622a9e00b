"""Whatever stands in the database, a browser is shown it as text."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect
from sqlalchemy import String, cast, literal, text, update

from bench import history, history_of_models
from db.tables import Base

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.dashboard.conftest import Plant

pytestmark = pytest.mark.slow

HOSTILE = (
    '<b class="pwned">b</b><img class="pwned" src="http://evil.invalid/i.png" onerror="pwned=1">'
    "<script>pwned=1</script><svg class='pwned' onload='pwned=1'></svg></style></div>"
    "![i](http://evil.invalid/m.png) [go](http://evil.invalid/) <http://evil.invalid/> "
    "[js](javascript:pwned=1) :red[red] :material/home: $\\frac{1}{2}$ `code` | a | \u202e \x07 "
)
#: Columns that the application itself chooses the words of.
CHOSEN = {
    "verdict", "decision", "queue", "label", "side", "use", "state", "promotion", "source", "role",
    "champion_verdict", "detector", "manifest_sha256", "sha256", "hash", "token_sha256",
    "password_hash", "image_key", "map_key", "mask_key", "frame_key", "artifact_path",
    "retrainings.reason",
}  # fmt: skip
#: Elements that only words from the database can have made.
MADE_OF_IT = '.pwned, [href*="evil"], [src*="evil"], [href^="javascript"]'
PAGES = ("Live", "Review", "Few-shot set", "Models", "Teach a line", "Quality", "Users", "Audit")


def spoil(plant: Plant) -> None:
    """Fill the database, and put hostile words wherever words come from outside."""
    grey = cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    key = plant.store.put(grey, ".png")
    picture = {"image_key": key, "map_key": key, "map_low": 0.0, "map_high": 1.0}
    with patch.object(history_of_models, "EVENTS", 100):
        history.fill(plant.engine, 2_000, [picture])
    with plant.engine.begin() as connection:
        for table in ("audit_events", "reviews"):
            connection.execute(text(f"DROP TRIGGER {table}_no_update"))
        for table in Base.metadata.tables.values():
            for column in table.c:
                kind = getattr(column.type, "impl", column.type)
                if not isinstance(kind, String) or f"{table.name}.{column.name}" in CHOSEN:
                    continue
                if column.name in CHOSEN or "id" not in table.c:
                    continue
                # Names are unique; a class is named by many rows alike.
                last = "x" if column.name == "defect_class" else cast(table.c.id, String)
                connection.execute(
                    update(table)
                    .where(column.is_not(None))
                    .values({column: literal(HOSTILE) + last})
                )


def test_no_page_takes_it_for_anything_else(plant: Plant, page: Page) -> None:
    spoil(plant)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    seen = []
    for name in PAGES:
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        page.wait_for_timeout(1500)
        if "pwned" in page.locator("body").inner_text():
            seen.append(name)
        assert page.evaluate("typeof window.pwned") == "undefined", name
        made = page.locator(MADE_OF_IT).evaluate_all("all => all.map(one => one.outerHTML)")
        assert made == [], name
    assert seen == list(PAGES)
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} == {"127.0.0.1"}
