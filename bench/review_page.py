"""Time from key to next card on the Review page, in a real browser, with many inspections."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import cv2
import numpy as np
from playwright.sync_api import sync_playwright
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from bench.results import percentile, write
from db import inspections, migrate
from db.access import trusted
from db.defect_classes import add_class
from db.engine import make_engine
from db.lines import add_line, get_or_add_camera
from db.model_versions import activate, add_model_version
from db.store import ImageStore
from db.tables import utc_now
from models.maps import encode_map

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

DATA = Path(__file__).parents[2] / "shared" / "data" / "magnetic_tile"
APP = Path(__file__).parents[1] / "dashboard" / "app.py"
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
MAP_PX = 128
CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

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
        pictures = _Pictures(store)
        rows: list[dict[str, Any]] = []
        for number in range(INSPECTIONS):
            rows.append(_row(number, common, pictures))
            if len(rows) == 1000:
                inspections.record(session, rows)
                rows.clear()
    engine.dispose()
    return pictures.flagged


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


def _row(number: int, common: dict[str, Any], pictures: _Pictures) -> dict[str, Any]:
    is_flagged, is_drawn = number % FLAGGED_EVERY == 0, number % AUDIT_EVERY == 1
    at = utc_now() - timedelta(seconds=INSPECTIONS - number)
    score = pictures.score(is_flagged=is_flagged)
    kept = pictures.next(score) if is_flagged or is_drawn else _nothing_kept()
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
        "verdict": flagged if is_flagged else "PASS",
        "reason": None,
        "audit_probability": 1 / AUDIT_EVERY if is_drawn else None,
        **kept,
    }


def _nothing_kept() -> dict[str, Any]:
    names = ("image_key", "map_key", "map_low", "map_high", "width_px", "height_px")
    return dict.fromkeys(names)


class _Pictures:
    """Defective tiles, each under a map that glows where its mask is."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._rng = np.random.default_rng(0)
        self._masks = sorted((DATA / "ground_truth").glob("*/*_mask.png"))
        self.flagged = 0

    def score(self, *, is_flagged: bool) -> float:
        low, spread = (1.05, 0.8) if is_flagged else (0.3, 0.12)
        drawn = low + abs(float(self._rng.normal(0.0, spread)))
        return drawn if is_flagged else min(drawn, 0.99 * REVIEW_FROM)

    def next(self, score: float) -> dict[str, Any]:
        mask_file = self._masks[self.flagged % len(self._masks)]
        self.flagged += score >= REVIEW_FROM
        kind, name = mask_file.parent.name, mask_file.name.removesuffix("_mask.png")
        (file,) = (DATA / "test" / kind).glob(f"{name}.*")
        mask = cv2.imread(str(mask_file), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        height, width = mask.shape
        encoded = encode_map(self._map(mask, score))
        return {
            "image_key": self._store.put(file.read_bytes(), file.suffix.lower()),
            "map_key": self._store.put(encoded.png, ".png"),
            "map_low": encoded.low,
            "map_high": encoded.high,
            "width_px": width,
            "height_px": height,
        }

    def _map(self, mask: np.ndarray[Any, Any], score: float) -> np.ndarray[Any, Any]:
        scale = MAP_PX / max(mask.shape)
        size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
        glow = cv2.GaussianBlur((mask > 0).astype(np.float32), (0, 0), 5)
        glow = cv2.resize(glow, size, interpolation=cv2.INTER_AREA)
        noise = self._rng.normal(0.3, 0.05, glow.shape)
        return np.asarray(noise + glow / max(float(glow.max()), 1e-6) * (score - 0.3), np.float32)


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The dashboard on `home`, as a process of its own; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "LINEWATCH_DATABASE_URL": f"sqlite:///{home / 'linewatch.db'}",
        "LINEWATCH_STORE_URL": str(home / "store"),
        "LINEWATCH_LOGIN": "open",
    }
    command = [sys.executable, "-m", "streamlit", "run", str(APP), f"--server.port={port}"]
    with (home / "dashboard.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--server.address=127.0.0.1"], env=environment, stdout=log, stderr=log
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError("the dashboard ended by itself")
        try:
            urlopen(url, timeout=2).close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the dashboard did not start within 60 s")


def press_keys(address: str) -> list[float]:
    """Milliseconds from key to next card, of `CARDS` cards."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("this benchmark needs a chromium on the path: install one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(f"{address}/review")
        page.wait_for_selector(".lw-card img", timeout=60_000)
        page.wait_for_timeout(3_000)
        page.evaluate(WATCH)
        for number in range(CARDS):
            _press(page, KEYS[number % len(KEYS)], number + 1)
        times: list[float] = page.evaluate("window.times")
        browser.close()
    return times


def _press(page: Page, key: str, cards: int) -> None:
    page.wait_for_timeout(1_000 * LOOK_S)
    page.keyboard.press(key)
    page.wait_for_function("cards => window.times.length >= cards", arg=cards, timeout=30_000)
