"""A plant in a real SQLite file, with pictures in a real store, and the dashboard run on it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import streamlit as st
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest
from uuid_utils.compat import uuid7

from dashboard import deciding
from db import inspections
from db.access import trusted
from db.engine import make_engine
from db.lines import add_line, get_line, get_or_add_camera, record_stream_status
from db.migrate import upgrade
from db.model_versions import activate, active_version, add_model_version
from db.roles import DASHBOARD
from db.store import ImageStore
from db.tables import Inspection, Line, Review, utc_now
from models.maps import encode_map
from tests.dashboard.serving import chromium, free_port, see, serving, watched
from tests.granted import within_grants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from sqlalchemy.engine import Engine

APP = Path(__file__).parents[2] / "dashboard" / "app.py"
REVIEW_FROM, REJECT_FROM = 1.0, 2.0
MANIFEST = {
    "detector": "patchcore",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": {"review": REVIEW_FROM, "reject": REJECT_FROM},
    "map_thresholds": {"review": REVIEW_FROM, "reject": REJECT_FROM},
}


@dataclass
class Plant:
    """Lines, cameras and frames as the workers would have written them."""

    url: str
    store_url: str
    engine: Engine
    store: ImageStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = ImageStore(self.store_url, create=True)

    def add_line(self, name: str = "press", *, model: bool = True, reported: bool = True) -> None:
        """A line, with an active model and a worker that has just reported."""
        with Session(self.engine) as session, session.begin():
            line = add_line(session, name, actor=trusted("test"))
            if reported:
                record_stream_status(session, line.id, waiting=0, pending=0, cameras={})
            if model:
                version = {"artifact_path": "/models/1", "manifest_sha256": "0" * 64}
                add_model_version(
                    session, line, manifest=MANIFEST, actor=trusted("test"), **version
                )
                activate(session, line, 1, actor=trusted("test"))

    def add_frame(
        self, score: float | None, *, line: str = "press", camera: str = "left", **changes: Any
    ) -> int:
        """A frame with that score, now, its map glowing as strongly; None: UNINSPECTED."""
        with Session(self.engine) as session, session.begin():
            row = self._row(session, score, line, camera) | changes
            inspections.record(session, [row])
            query = select(Inspection.id).where(Inspection.frame_id == row["frame_id"])
            return session.scalars(query).one()

    def _row(self, session: Session, score: float | None, line: str, camera: str) -> dict[str, Any]:
        version = active_version(session, line)
        assert version is not None
        line_id = get_line(session, line).id
        return {
            "frame_id": uuid7(),
            "line_id": line_id,
            "camera_id": get_or_add_camera(session, line_id, camera).id,
            "model_version_id": None if score is None else version.id,
            "sequence": 0,
            "part_id": None,
            "captured_at": utc_now(),
            "recorded_at": utc_now(),
            "score_ms": None if score is None else 1.5,
            "score": score,
            "verdict": _verdict(score),
            "reason": "the stream was full" if score is None else None,
            "audit_probability": None,
            **self._pictures(score),
        }

    def _pictures(self, score: float | None) -> dict[str, Any]:
        columns = ("image_key", "map_key", "map_low", "map_high", "width_px", "height_px")
        if score is None:
            return dict.fromkeys(columns)
        anomaly_map = np.zeros((8, 8), np.float32)
        anomaly_map[2:4, 2:4] = score
        encoded = encode_map(anomaly_map)
        # A picture of its own for every score, so that a test can tell two cards apart.
        grey = np.full((48, 64, 3), 40 + round(50 * score) % 200, np.uint8)
        image_key = self.store.put(cv2.imencode(".png", grey)[1].tobytes(), ".png")
        map_key = self.store.put(encoded.png, ".png")
        values = (image_key, map_key, encoded.low, encoded.high, 64, 48)
        return dict(zip(columns, values, strict=True))

    def reviews(self) -> list[tuple[int, str, str]]:
        """Every review event: inspection, decision, reviewer."""
        with Session(self.engine) as session:
            found = session.scalars(select(Review).order_by(Review.id))
            return [(review.inspection_id, review.decision, review.reviewer) for review in found]

    def last_report(self, line: str, ago_s: float) -> None:
        """Let the line's workers have been silent for that long."""
        with Session(self.engine) as session, session.begin():
            found = session.scalars(select(Line).where(Line.name == line)).one()
            found.status_at = utc_now() - timedelta(seconds=ago_s)


def _verdict(score: float | None) -> str:
    if score is None:
        return "UNINSPECTED"
    return "REJECT" if score >= REJECT_FROM else "REVIEW" if score >= REVIEW_FROM else "PASS"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file without rows, to be copied."""
    file = tmp_path_factory.mktemp("dashboard") / "empty.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def plant(migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """A plant without lines; the dashboard's environment names it."""
    shutil.copy(migrated_file, tmp_path / "linewatch.db")
    url = f"sqlite:///{tmp_path / 'linewatch.db'}"
    made = Plant(url, str(tmp_path / "store"), make_engine(url))
    monkeypatch.setenv("LINEWATCH_DATABASE_URL", made.url)
    monkeypatch.setenv("LINEWATCH_STORE_URL", made.store_url)
    monkeypatch.setenv("LINEWATCH_LOGIN", "open")
    monkeypatch.delenv("LINEWATCH_OPERATOR", raising=False)
    yield made
    made.engine.dispose()


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """Opens a page of the dashboard as a browser would: `live` or `review`."""
    monkeypatch.setattr(deciding, "MIN_LOOK_S", 0.0)
    _forget()

    def run(name: str) -> AppTest:
        page = AppTest.from_file(str(APP), default_timeout=20).run()
        return page if name == "live" else page.switch_page(f"views/{name}.py").run()

    yield run
    _forget()


@pytest.fixture(autouse=True)
def log() -> Iterator[list[Any]]:
    """What the pages log, kept out of the tests' output."""
    with structlog.testing.capture_logs() as entries:
        yield entries


def _forget() -> None:
    """Forget the engine and the pictures of the test before."""
    st.cache_resource.clear()
    st.cache_data.clear()


def keys(page: AppTest) -> set[str]:
    """Those of a page's buttons."""
    return {str(button.key) for button in page.button}


@pytest.fixture
def html_of() -> Callable[[AppTest], str]:
    """Gives all HTML of a page, but for style sheets and scripts."""

    def read(page: AppTest) -> str:
        assert not page.exception
        bodies = [element.proto.body for element in page.get("html")]
        return "\n".join(body for body in bodies if not body.startswith(("<style", "<script")))

    return read


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as made:
        yield made


@pytest.fixture
def address(plant: Plant, tmp_path: Path) -> Iterator[str]:
    """Where a dashboard of the plant is served."""
    with serving(free_port(), tmp_path) as where:
        yield where


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """An open Live page; nothing may fail in the browser while a test uses it."""
    with watched(browser.new_page(viewport={"width": 1280, "height": 800})) as made:
        made.goto(address)
        yield made


@pytest.fixture
def review(queue: list[int], page: Page) -> Page:
    """The Review page with the first card of a test's `queue`, looked at."""
    page.get_by_role("link", name="Review").click()
    see(page, queue[0])
    return page


@pytest.fixture(scope="session", autouse=True)
def granted() -> Iterator[None]:
    """All that the dashboard says to the database, its role in PostgreSQL may say."""
    with within_grants("dashboard", DASHBOARD):
        yield
