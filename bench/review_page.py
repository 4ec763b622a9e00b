"""Time from key to next card on the Review page, in a real browser, with many inspections."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from bench.dashboard import chromium, served
from bench.pictures import NOTHING_KEPT, TilePictures
from bench.results import percentile, write
from db import inspections, migrate
from db.access import trusted
from db.defect_classes import add_class
from db.engine import make_engine
from db.lines import add_line, get_or_add_camera
from db.model_versions import activate, add_model_version
from db.store import ImageStore
from db.tables import utc_now

if TYPE_CHECKING:
    from playwright.sync_api import Page

INSPECTIONS = 50_000
#: Every so many-th frame is flagged, and has a picture.
FLAGGED_EVERY = 125
AUDIT_EVERY = 500
CARDS = 100
#: Keys as an operator presses them: mostly good, some defects with their class.
KEYS = ("g", "1", "g", "3", "g", "u", "2", "g", "g", "4")
#: A person looks at a card that long at least; the page takes no earlier press.
LOOK_S = 0.6
REVIEW_FROM, REJECT_FROM = 1.0, 2.0

#: Notes when a key came, and when another card was painted with its pictures decoded and its
#: buttons there: an answer can be given.
WATCH = """
() => {
  window.times = [];
  let pressed = null, shown = null;
  addEventListener("keydown", () => {
    pressed = performance.now();
    shown = document.querySelector(".lw-card")?.dataset.card;
  }, true);
  const look = () => {
    const card = document.querySelector(".lw-card");
    const isNew = pressed !== null && card && card.dataset.card !== shown
      && document.querySelector(`.st-key-unsure-${card.dataset.card} button`);
    if (isNew && [...card.querySelectorAll("img")].every(i => i.complete && i.naturalWidth)) {
      const from = pressed;
      pressed = null;
      // The frame that holds the card is painted before the next one is begun.
      requestAnimationFrame(() => window.times.push(performance.now() - from));
    }
    requestAnimationFrame(look);
  };
  look();
}
"""


def main() -> None:
    """Fill a database, serve the dashboard, press keys, and write down how long cards took."""
    with tempfile.TemporaryDirectory(prefix="lw-bench-") as folder:
        home = Path(folder)
        flagged = fill(home)
        with served(home) as address:
            times = press_keys(address)
    write(
        "review-page",
        "From the press of a key that decides about a part to the next part painted, with its "
        "anomaly map, contour and buttons, on the Review page in a headless Chromium.",
        f"{len(times)} cards, SQLite with {INSPECTIONS:,} inspections, {flagged} of them flagged "
        f"with pictures of magnetic tiles, five defect classes, keys {' '.join(KEYS)} in turn, "
        f"browser and dashboard on the same machine, load {os.getloadavg()[0]:.1f}",
        {
            "key to next card, p50": f"{percentile(times, 0.50):.0f} ms",
            "key to next card, p95": f"{percentile(times, 0.95):.0f} ms (wanted: below 300 ms)",
            "key to next card, largest": f"{max(times):.0f} ms",
            "cards/min at that pace, looked at for 2 s each": (
                f"{60_000 / (2_000 + percentile(times, 0.50)):.0f} (wanted: 20)"
            ),
        },
    )


def fill(home: Path) -> int:
    """A migrated database and an image store in `home`; returns how many frames are flagged."""
    url = f"sqlite:///{home / 'linewatch.db'}"
    migrate.upgrade(url)
    store = ImageStore(str(home / "store"), create=True)
    engine = make_engine(url)
    with Session(engine) as session, session.begin():
        common = _plant(session)
        pictures, rng, flagged = TilePictures(store), np.random.default_rng(0), 0
        rows: list[dict[str, Any]] = []
        for number in range(INSPECTIONS):
            score = _score(rng, is_flagged=number % FLAGGED_EVERY == 0)
            kept = NOTHING_KEPT
            if score >= REVIEW_FROM or number % AUDIT_EVERY == 1:
                kept = pictures.put(flagged, score)
            flagged += score >= REVIEW_FROM
            rows.append(_row(number, common, score) | kept)
            if len(rows) == 1000:
                inspections.record(session, rows)
                rows.clear()
    engine.dispose()
    return flagged


def _plant(session: Session) -> dict[str, Any]:
    """A line with classes, cameras and a model; what all its frames share."""
    actor = trusted("bench")
    line = add_line(session, "tiles", actor=actor)
    thresholds = {"review": REVIEW_FROM, "reject": REJECT_FROM}
    manifest = {
        "detector": "bgad",
        "backbone": "tf_efficientnet_lite0",
        "thresholds": thresholds,
        "map_thresholds": thresholds,
    }
    version = add_model_version(
        session,
        line,
        artifact_path="/nowhere",
        manifest=manifest,
        manifest_sha256="0" * 64,
        actor=actor,
    )
    activate(session, line, version.number, actor=actor)
    for name in ("blowhole", "break", "crack", "fray", "uneven"):
        add_class(session, line, name, actor=actor)
    cameras = [get_or_add_camera(session, line.id, name).id for name in ("left", "right")]
    return {"line_id": line.id, "model_version_id": version.id, "cameras": cameras}


def _score(rng: np.random.Generator, *, is_flagged: bool) -> float:
    low, spread = (1.05, 0.8) if is_flagged else (0.3, 0.12)
    drawn = low + abs(float(rng.normal(0.0, spread)))
    return drawn if is_flagged else min(drawn, 0.99 * REVIEW_FROM)


def _row(number: int, common: dict[str, Any], score: float) -> dict[str, Any]:
    at = utc_now() - timedelta(seconds=INSPECTIONS - number)
    flagged = "REJECT" if score >= REJECT_FROM else "REVIEW"
    return {
        "frame_id": uuid7(),
        "line_id": common["line_id"],
        "camera_id": common["cameras"][number % 2],
        "model_version_id": common["model_version_id"],
        "sequence": number,
        "part_id": f"{number:06}",
        "captured_at": at,
        "recorded_at": at,
        "score_ms": 8.0,
        "score": score,
        "verdict": flagged if score >= REVIEW_FROM else "PASS",
        "reason": None,
        "audit_probability": 1 / AUDIT_EVERY if number % AUDIT_EVERY == 1 else None,
    }


def press_keys(address: str) -> list[float]:
    """Milliseconds from key to next card, of `CARDS` cards."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(f"{address}/review")
        page.wait_for_selector(".lw-card img", timeout=60_000)
        page.wait_for_timeout(3_000)
        page.evaluate(WATCH)
        for number in range(CARDS):
            _press(page, KEYS[number % len(KEYS)], number + 1)
        times: list[float] = page.evaluate("window.times")
    return times


def _press(page: Page, key: str, cards: int) -> None:
    page.wait_for_timeout(1_000 * LOOK_S)
    page.keyboard.press(key)
    page.wait_for_function("cards => window.times.length >= cards", arg=cards, timeout=30_000)
