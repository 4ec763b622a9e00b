"""From settings to the long-running parts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from ingest.camera import CameraConfig
from ingest.stream import FullPolicy
from linewatch.errors import SettingsError
from linewatch.loading import load_settings
from linewatch.services import camera_config, handed_down, run_ingest, scoring_config
from linewatch.settings import CameraSettings, Settings
from workers.config import ScoringConfig

if TYPE_CHECKING:
    from pathlib import Path


def test_a_camera_has_the_defaults_of_ingest() -> None:
    ours = camera_config(CameraSettings(line="tiles", name="top", source="0"), alone=True)

    assert ours == CameraConfig("tiles", "top", "0")


def test_a_camera_among_others_is_waited_for_without_end() -> None:
    ours = camera_config(CameraSettings(line="tiles", name="top", source="0"), alone=False)

    assert ours == CameraConfig("tiles", "top", "0", first_picture_timeout_s=None)


def test_every_option_of_a_camera_can_be_set() -> None:
    theirs = {field.name for field in dataclasses.fields(CameraConfig)}

    ours = set(CameraSettings.model_fields) - {"name"} | {"camera", "first_picture_timeout_s"}

    assert ours == theirs


def test_a_cameras_policy_becomes_that_of_the_stream() -> None:
    camera = CameraSettings(line="a", name="b", source="0", policy="drop_oldest")

    assert camera_config(camera, alone=True).policy is FullPolicy.DROP_OLDEST


def test_scoring_has_the_same_defaults_here_and_in_the_workers() -> None:
    assert scoring_config(Settings()) == ScoringConfig()


def test_child_processes_get_this_ones_flags_and_no_others(tmp_path: Path) -> None:
    loaded = load_settings({"home": tmp_path, "redis_url": "redis://:pw@host"})

    assert handed_down(loaded) == {
        "LINEWATCH_HOME": str(tmp_path),
        "LINEWATCH_REDIS_URL": "redis://:pw@host",
    }


def test_ingest_without_cameras_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\[\[cameras\]\] table with line, name and source"):
        run_ingest(Settings(home=tmp_path))


@pytest.mark.slow
def test_ingest_with_a_camera_named_twice_or_a_wrong_name_is_a_settings_error(
    redis_url: str, tmp_path: Path
) -> None:
    camera = CameraSettings(line="a", name="b", source=str(tmp_path))
    for cameras in ((camera, camera), (camera.model_copy(update={"line": "no spaces"}),)):
        with pytest.raises(SettingsError, match=r"\[\[cameras\]\]"):
            run_ingest(Settings(redis_url=redis_url, cameras=cameras))
