"""A line with two cameras and an active model version, and rows as the workers write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event
from uuid_utils.compat import uuid7

from db.access import trusted
from db.lines import add_line, get_or_add_camera
from db.model_versions import activate, add_model_version
from db.opinions import confirmed
from db.tables import Inspection

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import Session

    from db.tables import Line

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MANIFEST = {
    "detector": "patchcore",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": {"review": 1.0, "reject": 2.0},
    "map_thresholds": {"review": 0.5, "reject": 1.5},
}

RowMaker = Callable[..., dict[str, Any]]


@dataclass
class Plant:
    """What the tests of inspections stand on."""

    line: Line
    line_id: int
    #: Camera ids by name.
    cameras: Mapping[str, int]
    version_id: int


@pytest.fixture
def add_plant(session: Session) -> Callable[..., Plant]:
    """Adds a line with cameras and an active model version, and commits."""

    def add(name: str = "press", cameras: Iterable[str] = ("left", "right")) -> Plant:
        line = add_line(session, name, actor=trusted("test"))
        version = add_model_version(
            session,
            line,
            artifact_path="/models/1",
            manifest=MANIFEST,
            manifest_sha256="0" * 64,
            actor=trusted("test"),
        )
        activate(session, line, 1, actor=trusted("test"))
        ids = {camera: get_or_add_camera(session, line.id, camera).id for camera in cameras}
        session.commit()
        return Plant(line, line.id, ids, version.id)

    return add


def settle(session: Session, inspection_id: int) -> None:
    """Let an inspection's label follow from reviews that a test has written by itself."""
    word = confirmed(session, inspection_id)
    inspection = session.get_one(Inspection, inspection_id, populate_existing=True)
    inspection.label = None if word is None else word.label.value
    inspection.defect_class = None if word is None else word.defect_class
    session.flush()


@pytest.fixture
def plant(add_plant: Callable[..., Plant]) -> Plant:
    """The line `press` with cameras `left` and `right`, and version 1 active."""
    return add_plant()


@pytest.fixture
def make_row(plant: Plant) -> RowMaker:
    """A row as a worker writes it: a PASS of `press`, camera `left`, at noon."""

    def make(camera: str = "left", verdict: str = "PASS", **changes: Any) -> dict[str, Any]:
        inspected = verdict != "UNINSPECTED"
        return {
            "frame_id": uuid7(),
            "line_id": plant.line_id,
            "camera_id": plant.cameras[camera],
            "model_version_id": plant.version_id if inspected else None,
            "sequence": 0,
            "part_id": None,
            "captured_at": NOON,
            "recorded_at": NOON,
            "score_ms": 1.5 if inspected else None,
            "score": 0.5 if inspected else None,
            "verdict": verdict,
            "reason": None if inspected else "stream full",
            "audit_probability": None,
            "image_key": None,
            "map_key": None,
            "map_low": None,
            "map_high": None,
            "width_px": 640 if inspected else None,
            "height_px": 480 if inspected else None,
            **changes,
        }

    return make


@pytest.fixture
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def plan(session: Session, statement: str, parameters: Any) -> str:
    """How SQLite goes about a statement; PostgreSQL plans by size, and here tables are empty."""
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by the size of the table, and this one is empty")
    query = f"EXPLAIN QUERY PLAN {statement}"
    return "\n".join(row[-1] for row in session.connection().exec_driver_sql(query, parameters))
