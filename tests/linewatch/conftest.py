"""A command line in this process, without traces in the next test."""

from __future__ import annotations

import logging
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from linewatch.cli import run
from linewatch.loading import unknown_variables
from linewatch.settings import ENV_PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty home and current folder, none of the caller's settings, and logging put back."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    for name in [*unknown_variables(), "LINEWATCH_CONFIG"]:
        monkeypatch.delenv(name, raising=False)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def linewatch(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line, given as words."""

    def call(*words: object) -> Outcome:
        capsys.readouterr()
        code = run([str(word) for word in words])
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real image sets beside the project; absent on most users' machines."""
    if not SHARED_DATA.is_dir():
        message = "the image sets in ../shared/data are not here"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return SHARED_DATA
