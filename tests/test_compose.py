"""compose.yaml and Dockerfile, checked without an engine: schema, every command, every path."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: s for name, s in COMPOSE["services"].items() if s["image"].startswith("linewatch:")}


def test_the_file_follows_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*check, str(ROOT / "compose.yaml")], check=True)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_line_is_one_that_linewatch_understands(name: str) -> None:
    service = OURS[name]
    words = [*service.get("entrypoint", ["linewatch"]), *service["command"]]
    assert words[0] == "linewatch"
    check_parses(words[1:])
    probe = service.get("healthcheck", {}).get("test", ["CMD"])[1:]
    if probe[:1] == ["linewatch"]:
        check_parses(probe[1:])


def check_parses(arguments: list[str]) -> None:
    from click import Context

    from linewatch.cli import linewatch

    # Without running it: every name and option on the way must be known.
    command, rest = linewatch, arguments
    context = Context(linewatch, info_name="linewatch")
    while hasattr(command, "resolve_command"):
        _, command, rest = command.resolve_command(context, rest)
        context = Context(command, info_name=command.name, parent=context)
    if rest != ["--help"]:
        command.make_parser(context).parse_args(list(rest))


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_no_service_may_gain_privileges_or_listen_beyond_this_machine(name: str) -> None:
    service = COMPOSE["services"][name]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged", False)
    for port in service.get("ports", []):
        assert port.startswith(("${DASHBOARD_ADDRESS:-127.0.0.1}:", "127.0.0.1:"))


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_run_read_only_and_not_as_root(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_that_stays_says_whether_it_is_well(name: str) -> None:
    service = COMPOSE["services"][name]
    assert "healthcheck" in service or service["restart"] == "no"


def test_our_services_health_is_that_of_their_own_process() -> None:
    for service in OURS.values():
        if "healthcheck" in service:
            probe = service["healthcheck"]["test"]
            assert probe[:4] == ["CMD", "linewatch", "health", service["command"][0]]


def test_files_that_services_read_come_with_the_project() -> None:
    mounts = [v for s in COMPOSE["services"].values() for v in s.get("volumes", [])]
    ours = [mount.split(":")[0] for mount in mounts if mount.startswith("./config/")]
    assert len(ours) == 4
    assert all((ROOT / path).exists() for path in ours)


def test_every_secret_volume_and_dependency_is_declared() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
        named = {v.split(":")[0] for v in service.get("volumes", []) if v[0] not in "./$"}
        assert named <= set(COMPOSE["volumes"])


def test_the_settings_file_that_services_read_comes_with_the_project() -> None:
    from linewatch.loading import load_settings

    folder = COMPOSE["x-linewatch"]["volumes"][1]
    assert folder == "${CONFIG_DIR:-./config}:/etc/linewatch:ro"
    assert load_settings({}, config=ROOT / "config" / "linewatch.toml").settings.cameras == ()


def test_settings_in_the_environment_are_settings() -> None:
    from linewatch.settings import Settings

    for service in OURS.values():
        for variable in service["environment"]:
            if variable != "LINEWATCH_CONFIG":
                assert variable.removeprefix("LINEWATCH_").lower() in Settings.model_fields


#: Service -> whom PostgreSQL knows it as.
LOGINS = {
    "migrate": "linewatch",
    "roles": "linewatch",
    "ingest": None,
    **dict.fromkeys(("score", "score-gpu", "train", "trainer", "scheduler"), "linewatch_worker"),
    "metrics": "linewatch_metrics",
    "dashboard": "linewatch_dashboard",
}


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_service_logs_in_with_its_role_and_has_no_other_roles_password(name: str) -> None:
    from db.roles import ROLES

    service = OURS[name]
    login = LOGINS[name]
    address = service["environment"].get("LINEWATCH_DATABASE_URL")
    file = service["environment"].get("LINEWATCH_DATABASE_PASSWORD_FILE", "")
    passwords = [secret for secret in service["secrets"] if secret.startswith("postgres")]
    if login is None:
        assert (address, file, passwords) == (None, "", [])
        return
    role = login.removeprefix("linewatch").removeprefix("_")
    secret = f"postgres_{role}_password" if role else "postgres_password"
    assert address == f"postgresql://{login}@postgres:5432/linewatch"
    assert file == f"/run/secrets/{secret}"
    made = [f"postgres_{one.name}_password" for one in ROLES] if name == "roles" else []
    assert sorted(passwords) == sorted([secret, *made])
    assert not role or role in [one.name for one in ROLES]


def test_roles_are_there_before_anybody_logs_in_with_them() -> None:
    for name, service in OURS.items():
        wanted = {"migrate": "postgres", "roles": "migrate"}.get(name, "roles")
        assert wanted in service["depends_on"]
    assert OURS["roles"]["command"] == ["db", "roles", "/run/secrets"]


def test_redis_keeps_frames_on_disk_behind_a_password_and_never_evicts_them() -> None:
    command = " ".join(COMPOSE["services"]["redis"]["command"])
    for wanted in ("--requirepass", "--appendonly yes", "--maxmemory-policy noeviction"):
        assert wanted in command


def test_everything_the_dockerfile_copies_exists_and_every_package_is_copied() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = {
        word for line in re.findall(r"^COPY (.+)$", text, re.M) for word in shlex.split(line)[:-1]
    }
    assert all((ROOT / path).exists() for path in copied)
    assert {"linewatch", "ingest", "workers", "models", "db", "dashboard"} <= copied


def test_the_image_runs_as_the_user_that_compose_names() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "useradd --uid 10001" in text
    assert re.search(r"^USER linewatch$", text, re.M)


def test_extras_named_for_the_image_exist() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for service in OURS.values():
        extras = service["build"]["args"]["EXTRAS"]
        default = re.sub(r"^\$\{EXTRAS:-(.+)\}$", r"\1", extras)
        assert set(default.split(",")) <= set(project["optional-dependencies"])
