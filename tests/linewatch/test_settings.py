"""The settings object: defaults, secrets in addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from linewatch.settings import CameraSettings, Settings


def test_database_and_store_are_in_home_by_default(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    assert settings.database_url == f"sqlite:///{tmp_path}/linewatch.db"
    assert settings.store_url == f"{tmp_path}/store"


def test_home_is_absolute_and_tilde_is_the_users_home() -> None:
    assert Settings(home=Path("~/plant")).home == Path.home() / "plant"
    assert Settings(home=Path("plant")).home == Path.cwd() / "plant"


def test_settings_cannot_be_changed() -> None:
    settings = Settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.max_batch = 3  # type: ignore[misc]


def test_constructing_settings_reads_nothing_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LINEWATCH_MAX_BATCH", "99")

    assert Settings().max_batch == 4


def test_every_setting_says_what_it_means() -> None:
    for model in (Settings, CameraSettings):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_repr_shows_no_password() -> None:
    camera = CameraSettings(line="a", name="b", source="rtsp://admin:hunter2@10.0.0.9/ch1")
    settings = Settings(
        redis_url="rediss://u:hunter2@host:6380/0",
        redis_password="hunter2",  # type: ignore[arg-type]
        database_url="postgresql://u:hunter2@host/db",
        store_url="s3://bucket/x?secret=hunter2",
        cameras=(camera,),
    )

    for text in (repr(settings), str(settings), repr(camera), str(camera)):
        assert "hunter2" not in text
    assert "postgresql://u:****@host/db" in repr(settings)
    assert "rtsp://admin:****@10.0.0.9/ch1" in repr(settings)


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        ([], "at least 1 item"),
        (["6:00"], "expected times of day such as 06:00"),
        (["24:00"], "expected times of day such as 06:00"),
        (["14:00", "06:00"], "expected rising times of day"),
        (["06:00", "06:00"], "expected rising times of day"),
    ],
)
def test_shifts_begin_at_rising_times_of_day(starts: list[str], message: str) -> None:
    assert Settings(shift_starts=("05:30", "17:30")).shift_starts == ("05:30", "17:30")
    with pytest.raises(ValidationError, match=message):
        Settings(shift_starts=tuple(starts))


def test_the_plants_time_zone_is_a_known_one() -> None:
    assert Settings(plant_timezone="Europe/Berlin").plant_timezone == "Europe/Berlin"
    with pytest.raises(ValidationError, match="expected a time zone such as Europe/Berlin"):
        Settings(plant_timezone="Europe/Atlantis")
