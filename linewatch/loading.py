"""Read the settings: merge file, environment and flags, and remember each value's origin."""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as EnvironmentUnreadable

from linewatch.errors import SettingsError
from linewatch.secrets import read_secret
from linewatch.settings import ENV_PREFIX, CameraSettings, Settings, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFIG_NAME = "linewatch.toml"
SECRETS = ("redis_password", "database_password")
#: Variables with our prefix that are no settings.
OTHER_VARIABLES = ("LINEWATCH_CONFIG", "LINEWATCH_NEW_PASSWORD", "LINEWATCH_OPERATOR")


class Origin(StrEnum):
    """Where a setting's value came from, weakest first."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"


@dataclass(frozen=True)
class Loaded:
    """The settings and how they came about."""

    settings: Settings
    #: Origin of each field.
    origins: dict[str, Origin]
    #: The file that was read; None: there was none.
    config_file: Path | None


def load_settings(
    flags: Mapping[str, object] | None = None, *, config: Path | None = None
) -> Loaded:
    """Read the settings; a flag that is None was not given.

    Raises:
        SettingsError: if the file cannot be read, or keys or values are wrong; one line for all.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    environment = _from_environment()
    file = _find_config(config, given.get("home") or environment.get("home"))
    layers = {
        Origin.FILE: _from_file(file) if file else {},
        Origin.ENVIRONMENT: environment,
        Origin.FLAG: given,
    }
    merged: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, Origin.DEFAULT)
    for origin, values in layers.items():
        resolved = _resolve_secret_files(values)
        merged |= resolved
        origins |= dict.fromkeys(resolved, origin)
    try:
        return Loaded(Settings(**merged), origins, file)
    except ValidationError as exc:
        raise SettingsError(_explain(exc, merged, origins, file)) from None


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables of the environment with our prefix that no setting reads: likely misspelt."""
    known = {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}
    known |= set(OTHER_VARIABLES)
    names = os.environ if environ is None else environ
    return sorted(
        name
        for name in names
        if name.startswith(ENV_PREFIX)
        and not name.startswith("LINEWATCH_TEST_")
        and name not in known
    )


def _from_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(Settings)()
    except EnvironmentUnreadable as exc:  # only a list such as cameras can be unreadable
        raise SettingsError(f"environment: {exc}: write the list as JSON") from None


def _find_config(config: Path | None, home: object) -> Path | None:
    """The file to read: the one asked for, else ./linewatch.toml, else the one in home."""
    named = config or os.environ.get("LINEWATCH_CONFIG")
    if named:
        return Path(named).expanduser()
    default_home = Settings.model_fields["home"].default
    home_path = Path(str(home or default_home)).expanduser()
    for candidate in (Path(CONFIG_NAME), home_path / CONFIG_NAME):
        if candidate.is_file():
            return candidate.absolute()
    return None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text())
    except OSError as exc:
        raise SettingsError(f"cannot read the settings file {path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SettingsError(f"{path} is not valid TOML: {exc}") from exc
    for key in values:
        if key in SECRETS:
            raise SettingsError(
                f"{path}: {key} does not belong into the file: name a file that holds it as "
                f"{key}_file, or set {ENV_PREFIX}{key.upper()}"
            )
        _check_key(key, Settings.model_fields, str(path))
    cameras = values.get("cameras", [])
    for camera in cameras if isinstance(cameras, list) else []:
        for key in camera if isinstance(camera, dict) else []:
            _check_key(key, CameraSettings.model_fields, f"{path} [[cameras]]")
    return values


def _check_key(key: str, known: Iterable[str], where: str) -> None:
    if key in known:
        return
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`linewatch settings` lists all"
    raise SettingsError(f"{where}: unknown setting {key!r}: {hint}")


def _resolve_secret_files(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each password file by its password, within one source."""
    resolved = dict(values)
    for secret in SECRETS:
        file = resolved.get(f"{secret}_file")
        if file is None:
            continue
        if secret in resolved:
            raise SettingsError(f"{secret} and {secret}_file are both set: keep one of them")
        resolved[secret] = SecretStr(read_secret(Path(str(file)), f"{secret}_file"))
    return resolved


def _explain(
    error: ValidationError,
    values: Mapping[str, Any],
    origins: Mapping[str, Origin],
    file: Path | None,
) -> str:
    """All wrong values in one line: name, where it was set, what is wrong, what was given."""
    problems = []
    for problem in error.errors(include_url=False, include_context=False):
        if problem["type"] == "default_factory_not_called":
            continue  # only a consequence of another field's problem
        if not problem["loc"]:  # of several fields together
            problems.append(problem["msg"].removeprefix("Value error, "))
            continue
        field = str(problem["loc"][0])
        name = ".".join(str(part) for part in problem["loc"])
        origin = origins.get(field, Origin.DEFAULT)
        where = str(file) if origin is Origin.FILE else f"the {origin}"
        message = problem["msg"][0].lower() + problem["msg"][1:]
        problems.append(f"{name} (from {where}): {message}{_given(problem['loc'], values)}")
    return "; ".join(problems)


def _given(location: tuple[int | str, ...], values: Any) -> str:
    """The value that was given, as far as it can be told and shown."""
    value = values
    for part in location:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return ""
    name = str(location[-1])
    if name in SECRETS or isinstance(value, (dict, list, tuple)):
        return ""
    return f", got {shown(name, value)!r}"
