"""File, environment and flags: which wins, and what is said when one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from linewatch.errors import SettingsError
from linewatch.loading import Origin, load_settings, unknown_variables


def written(text: str, path: str = "linewatch.toml") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_flag_beats_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    written("max_batch = 2\nmax_wait_ms = 2\nstream_max_frames = 2\n")
    monkeypatch.setenv("LINEWATCH_MAX_BATCH", "3")
    monkeypatch.setenv("LINEWATCH_MAX_WAIT_MS", "3")

    loaded = load_settings({"max_batch": 4, "log_level": None})

    settings, origins = loaded.settings, loaded.origins
    assert (settings.max_batch, origins["max_batch"]) == (4, Origin.FLAG)
    assert (settings.max_wait_ms, origins["max_wait_ms"]) == (3, Origin.ENVIRONMENT)
    assert (settings.stream_max_frames, origins["stream_max_frames"]) == (2, Origin.FILE)
    assert (settings.log_level, origins["log_level"]) == ("info", Origin.DEFAULT)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEWATCH_REDIS_URL", "")

    assert load_settings().settings.redis_url == "embedded"


def test_the_file_asked_for_comes_before_the_ones_found(monkeypatch: pytest.MonkeyPatch) -> None:
    written("max_batch = 1", "../user/.linewatch/linewatch.toml")
    assert load_settings().settings.max_batch == 1

    written("max_batch = 2", "linewatch.toml")
    assert load_settings().settings.max_batch == 2

    monkeypatch.setenv("LINEWATCH_CONFIG", str(written("max_batch = 3", "env.toml")))
    assert load_settings().settings.max_batch == 3

    assert load_settings(config=written("max_batch = 4", "flag.toml")).settings.max_batch == 4


def test_the_file_in_a_home_set_by_flag_is_found(tmp_path: Path) -> None:
    written("max_batch = 5", "../plant/linewatch.toml")

    loaded = load_settings({"home": tmp_path / "plant"})

    assert loaded.settings.max_batch == 5
    assert loaded.config_file == tmp_path / "plant/linewatch.toml"


def test_a_file_asked_for_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*none\.toml: No such file"):
        load_settings(config=Path("none.toml"))


def test_an_unknown_key_is_named_with_near_ones() -> None:
    written("max_bacth = 2")

    with pytest.raises(
        SettingsError, match=r"linewatch\.toml: unknown setting 'max_bacth': did you mean max_batch"
    ):
        load_settings()


def test_an_unknown_key_of_a_camera_is_named() -> None:
    written('[[cameras]]\nline = "a"\nname = "b"\nsource = "c"\nfps = 3\n')

    with pytest.raises(SettingsError, match=r"\[\[cameras\]\]: unknown setting 'fps'.*max_fps"):
        load_settings()


def test_a_wrong_type_says_where_it_was_set_and_what_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written('stream_max_frames = "many"')
    monkeypatch.setenv("LINEWATCH_DASHBOARD_PORT", "99999")

    with pytest.raises(SettingsError) as raised:
        load_settings()

    message = str(raised.value)
    assert "stream_max_frames (from " in message
    assert "linewatch.toml): input should be a valid integer" in message
    assert "got 'many'" in message
    assert "dashboard_port (from the environment): input should be less than or equal" in message
    assert "\n" not in message


def test_a_wrong_home_is_reported_once_without_its_consequences() -> None:
    written("home = 3")

    with pytest.raises(SettingsError) as raised:
        load_settings()

    assert str(raised.value).count("(from ") == 1


def test_broken_toml_is_one_error() -> None:
    written("max_batch = = 2")

    with pytest.raises(SettingsError, match=r"is not valid TOML: .*line 1"):
        load_settings()


def test_cameras_come_from_tables_or_from_json_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written('[[cameras]]\nline = "tiles"\nname = "top"\nsource = "0"\npolicy = "drop_oldest"\n')
    assert load_settings().settings.cameras[0].policy == "drop_oldest"

    monkeypatch.setenv("LINEWATCH_CAMERAS", '[{"line": "a", "name": "b", "source": "c"}]')
    assert load_settings().settings.cameras[0].line == "a"

    monkeypatch.setenv("LINEWATCH_CAMERAS", "[{")
    with pytest.raises(SettingsError, match=r"cameras.*write the list as JSON"):
        load_settings()


def test_a_password_file_gives_the_password() -> None:
    Path("pw").write_text("hunter2\n")
    written('redis_password_file = "pw"')

    loaded = load_settings()

    password = loaded.settings.redis_password
    assert password is not None
    assert password.get_secret_value() == "hunter2"
    assert loaded.origins["redis_password"] is Origin.FILE


def test_a_password_in_the_environment_beats_a_password_file_in_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("pw").write_text("from-file\n")
    written('database_password_file = "pw"')
    monkeypatch.setenv("LINEWATCH_DATABASE_PASSWORD", "from-environment")

    password = load_settings().settings.database_password

    assert password is not None
    assert password.get_secret_value() == "from-environment"


def test_a_password_in_the_toml_file_is_refused_without_being_shown() -> None:
    written('redis_password = "hunter2"')

    with pytest.raises(SettingsError, match="redis_password_file") as raised:
        load_settings()

    assert "hunter2" not in str(raised.value)


def test_a_password_and_its_file_from_one_source_contradict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LINEWATCH_REDIS_PASSWORD", "a")
    monkeypatch.setenv("LINEWATCH_REDIS_PASSWORD_FILE", "pw")

    with pytest.raises(SettingsError, match="are both set"):
        load_settings()


def test_no_error_shows_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "LINEWATCH_CAMERAS",
        '[{"line": "a", "name": "b", "source": "rtsp://u:hunter2@h/1", "policy": "none"}]',
    )

    with pytest.raises(SettingsError, match=r"cameras\.0\.policy") as raised:
        load_settings()

    assert "hunter2" not in str(raised.value)


def test_misspelt_variables_are_found() -> None:
    found = unknown_variables({"LINEWATCH_REDIS_ULR": "x", "LINEWATCH_HOME": "y", "PATH": "z"})

    assert found == ["LINEWATCH_REDIS_ULR"]
