"""The doctor: what it finds, and that it gets through to the end whatever is broken."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from linewatch.commands.check import CHECK_NAMES
from linewatch.doctor import installation, services
from linewatch.doctor.checks import CHECKS, run_checks
from linewatch.doctor.findings import Finding, State
from linewatch.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Outcome
    from redis import Redis

    Linewatch = Callable[..., Outcome]


def findings_of(check: str, settings: Settings) -> list[Finding]:
    return list(run_checks(settings, [check]))


def states(findings: list[Finding]) -> list[State]:
    return [finding.state for finding in findings]


def test_the_command_line_knows_every_check() -> None:
    assert tuple(CHECKS) == CHECK_NAMES


def test_this_installation_is_sound(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    for check in ("python", "packages", "disk"):
        assert states(findings_of(check, settings)) == [State.OK]


def test_a_package_too_old_or_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        installation.metadata, "requires", lambda _: ["rq>=99", "none-such", "s3fs; extra == 's3'"]
    )

    problems = list(installation._unmet("linewatch"))

    assert problems[0].startswith("rq is ")
    assert problems[0].endswith("linewatch needs >=99")
    assert problems[1:] == ["none-such is not installed"]


def test_two_faiss_builds_at_once_have_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installation, "_unmet", lambda *_, **__: iter(()))
    monkeypatch.setattr(installation, "_version", lambda name: "1" if "faiss" in name else None)

    (finding,) = findings_of("packages", Settings(home=tmp_path))

    assert finding.state is State.FAILED
    assert "overwrite each other" in finding.message


def test_a_misspelt_variable_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LINEWATCH_REDIS_ULR", "redis://host")

    found = findings_of("python", Settings(home=tmp_path))

    assert found[-1].state is State.WARNING
    assert "LINEWATCH_REDIS_ULR" in found[-1].message


def test_a_full_disk_has_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Usage:
        free = 100 * 1024**2

    monkeypatch.setattr(installation.shutil, "disk_usage", lambda _: Usage)

    (finding,) = findings_of("disk", Settings(home=tmp_path / "not" / "yet"))

    assert finding.state is State.FAILED
    assert finding.message.startswith("0.1 GiB free")


def test_redis_that_is_not_there_has_failed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, redis_url="redis://:hunter2@127.0.0.1:1")

    (finding,) = findings_of("redis", settings)

    assert finding.state is State.FAILED
    assert "cannot be reached" in finding.message
    assert "hunter2" not in repr(finding)


def test_the_embedded_server_is_looked_at_but_not_started(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    for check in ("redis", "workers"):
        assert states(findings_of(check, settings)) == [State.WARNING]
    assert not (tmp_path / "valkey").exists()


@pytest.mark.slow
def test_a_redis_that_evicts_has_failed(redis_client: Redis, redis_url: str) -> None:
    before = redis_client.config_get("maxmemory-policy", "appendonly", "maxmemory")
    try:
        redis_client.config_set("maxmemory-policy", "allkeys-lru")
        redis_client.config_set("maxmemory", "100mb")
        found = findings_of("redis", Settings(redis_url=redis_url))
    finally:
        redis_client.config_set("maxmemory-policy", before["maxmemory-policy"])
        redis_client.config_set("maxmemory", before["maxmemory"])

    assert found[0].state is State.OK
    assert found[1].state is State.FAILED
    assert "frames would vanish" in found[1].message
    if before["appendonly"] == "no":
        assert "appendonly is off" in found[2].message


@pytest.mark.slow
def test_a_redis_on_the_network_that_lets_anybody_in_is_a_warning(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        return " ".join(f.message for f in findings_of("redis", Settings(redis_url=redis_url)))

    assert "no password" not in said()
    monkeypatch.setattr(services, "is_loopback", lambda _: False)

    reached_by_network = not redis_url.startswith("unix")
    assert ("not encrypted" in said()) is reached_by_network
    assert ("no password" in said()) is reached_by_network


@pytest.mark.slow
def test_no_scoring_worker_is_a_warning(redis_client: Redis, redis_url: str) -> None:
    (finding,) = findings_of("workers", Settings(redis_url=redis_url))

    assert finding.state is State.WARNING
    assert finding.remedy.endswith("linewatch worker")


def test_a_database_without_tables_has_failed_with_what_to_do(tmp_path: Path) -> None:
    (finding,) = findings_of("database", Settings(home=tmp_path))

    assert finding.state is State.FAILED
    assert "linewatch db upgrade" in finding.message


def test_a_store_that_is_not_there_has_failed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, store_url="/nowhere/at/all")

    (finding,) = findings_of("store", settings)

    assert finding.state is State.FAILED
    assert "/nowhere/at/all" in finding.message


def test_a_store_in_home_takes_and_gives_images(tmp_path: Path) -> None:
    assert states(findings_of("store", Settings(home=tmp_path))) == [State.OK]
    assert [p for p in (tmp_path / "store").rglob("*") if p.is_file()] == []


def test_a_line_without_a_model_is_a_warning(linewatch: Linewatch) -> None:
    linewatch("db", "upgrade")
    assert states(findings_of("lines", Settings())) == [State.WARNING]

    linewatch("line", "add", "tiles")
    (finding,) = findings_of("lines", Settings())

    assert finding.state is State.WARNING
    assert finding.remedy == "linewatch model add tiles MODEL_DIR --activate"


def test_another_program_on_the_dashboards_port_has_failed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (finding,) = findings_of("dashboard", Settings(home=tmp_path, dashboard_port=port))

    assert finding.state is State.FAILED


def test_a_check_that_breaks_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(_: Settings) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setitem(CHECKS, "python", broken)

    first, second = run_checks(Settings(home=tmp_path), ["python", "disk"])

    assert first.state is State.FAILED
    assert "surprise" in first.message
    assert second.state is State.OK


def test_the_command_prints_a_line_a_finding_and_its_exit_code_says_the_worst(
    linewatch: Linewatch, tmp_path: Path
) -> None:
    outcome = linewatch("doctor", "--check", "database", "--check", "disk", "--json", "d.json")

    assert outcome.code == 2
    assert [line.split()[:2] for line in outcome.out.splitlines()] == [
        ["failed", "database"],
        ["ok", "disk"],
    ]
    report = json.loads(Path("d.json").read_text())
    assert report["failed"] == 1
    assert [finding["state"] for finding in report["findings"]] == ["failed", "ok"]
    assert linewatch("doctor", "--check", "disk").code == 0
