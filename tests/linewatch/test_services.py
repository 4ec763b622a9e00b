"""From settings to the long-running parts."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from datetime import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from dashboard.quality.clock import PlantClock, plant_clock
from ingest.camera import CameraConfig
from ingest.stream import FullPolicy
from linewatch.cli import run
from linewatch.errors import SettingsError
from linewatch.loading import load_settings
from linewatch.services import (
    camera_config,
    check_login,
    dashboard_command,
    dashboard_variables,
    handed_down,
    retention_config,
    run_ingest,
    scoring_config,
)
from linewatch.settings import CameraSettings, Settings
from tests.dashboard.serving import free_port, wait_for
from workers.config import ScoringConfig
from workers.retention import RetentionConfig

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


def test_retention_has_the_same_defaults_here_and_in_the_workers() -> None:
    assert retention_config(Settings()) == RetentionConfig()


def test_pictures_are_kept_for_ever_or_within_a_size_where_the_settings_say_so() -> None:
    settings = Settings(retain_pass_days=0, retain_quarantine_days=0, store_max_gib=1.5)

    ours = retention_config(settings)

    assert (ours.pass_days, ours.quarantine_days) == (None, None)
    assert ours.store_max_bytes == 3 * 2**29


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


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.4.5"])
def test_on_loopback_nobody_needs_to_log_in(host: str) -> None:
    check_login("open", host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "no.such.host.invalid"])  # noqa: S104
def test_where_others_reach_it_somebody_must_log_in(host: str) -> None:
    with pytest.raises(SettingsError, match=f"dashboard_host is {host} and login is open"):
        check_login("open", host)
    check_login("local", host)
    check_login("oidc", host)


def test_the_dashboard_keeps_its_guards_against_other_sites() -> None:
    command = dashboard_command("127.0.0.1", 8501)

    for option in ("--server.enableXsrfProtection", "--server.enableCORS"):
        assert command[command.index(option) + 1] == "true"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_signal_ends_the_dashboard_at_once_and_with_nothing_to_say(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    port = free_port()
    words = ["--home", str(tmp_path), "--port", str(port)]
    assert run(["db", "upgrade", *words[:2]]) == 0
    with subprocess.Popen(
        [sys.executable, "-m", "linewatch", "dashboard", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as server:  # fmt: skip
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)

        server.send_signal(number)
        said, _ = server.communicate(timeout=20)

    assert server.returncode == code
    assert "Aborted" not in said
    assert "Traceback" not in said


def test_the_dashboard_reads_the_plants_clock_as_it_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        home=tmp_path, shift_starts=("05:30", "17:30"), plant_timezone="Europe/Berlin"
    )

    for name, value in dashboard_variables(settings).items():
        monkeypatch.setenv(name, value)

    assert plant_clock() == PlantClock(ZoneInfo("Europe/Berlin"), (time(5, 30), time(17, 30)))
