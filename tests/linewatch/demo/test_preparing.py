"""What the demo's processes are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linewatch.demo.preparing import child_environment, demo_settings
from linewatch.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def test_nobody_needs_to_log_in_to_the_demo_whatever_the_plant_wants(tmp_path: Path) -> None:
    plant = Settings(home=tmp_path, login="oidc", session_hours=3)

    told = child_environment(demo_settings(plant, tmp_path / "demo", "redis://:pw@host"))

    assert told["LINEWATCH_LOGIN"] == "open"
    assert told["LINEWATCH_SHIFT_STARTS"] == '["06:00", "14:00", "22:00"]'
    assert told["LINEWATCH_HOME"] == str(tmp_path / "demo")
