"""A line with two cameras and an active model version, and rows as the workers write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from uuid_utils.compat import uuid7

from db.access import trusted
from db.lines import add_line, get_or_add_camera
from db.model_versions import activate, add_model_version

if TYPE_CHECKING:
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
