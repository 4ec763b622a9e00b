"""Passwords in nothing that is written, whatever fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.linewatch.conftest import Outcome

#: Each with what people forget to escape.
REDIS, DATABASE, CAMERA = "r3dis-P@ss/w", "pg-P@ss%25w", "c4mera-Pass"
CLOSED = "127.0.0.1:9"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "linewatch.toml").write_text(
        '[[cameras]]\nline = "a"\nname = "b"\n'
        f'source = "rtsp://viewer:{CAMERA}@{CLOSED}/stream"\nfirst_picture_timeout_s = 0.2\n'
    )
    return tmp_path


@pytest.mark.parametrize("where", ["address", "variable", "file"])
@pytest.mark.parametrize(
    "words",
    [
        ("worker",), ("trainer",), ("scheduler",), ("ingest",), ("doctor",), ("settings",),
        ("db", "upgrade"), ("line", "list"), ("audit", "verify"), ("metrics", "--port", "0"),
        ("health", "worker", "--ready"), ("backup", "x.tar"), ("db", "roles", "secrets"),
    ],
    ids="-".join,
)  # fmt: skip
def test_no_command_says_a_password(
    words: tuple[str, ...],
    where: str,
    home: Path,
    linewatch: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    urls = {
        "REDIS": f"redis://user{{}}@{CLOSED}/0",
        "DATABASE": f"postgresql://user{{}}@{CLOSED}/x",
    }
    for name, password in (("REDIS", REDIS), ("DATABASE", DATABASE)):
        written = f":{password}" if where == "address" else ""
        monkeypatch.setenv(f"LINEWATCH_{name}_URL", urls[name].format(written))
        if where == "variable":
            monkeypatch.setenv(f"LINEWATCH_{name}_PASSWORD", password)
        elif where == "file":
            (home / name).write_text(password + "\n")
            monkeypatch.setenv(f"LINEWATCH_{name}_PASSWORD_FILE", str(home / name))
    # A client of Redis tries for seconds before it gives up.
    monkeypatch.setattr("redis.retry.Retry.call_with_retry", lambda _, do, fail, *a, **k: do())

    outcome = linewatch(*words, "--home", home)

    said = outcome.out + outcome.err + caplog.text
    assert outcome.code != 0 or words == ("settings",)
    assert "Traceback" not in said
    for password in (REDIS, DATABASE, CAMERA, "P@ss", "P%40ss", "4mera"):
        assert password not in said
