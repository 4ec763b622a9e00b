"""The dashboard as a process of its own, and a browser that tells when its pages are painted."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def served(home: Path, database_url: str | None = None, *, login: str = "open") -> Iterator[str]:
    """`linewatch dashboard` on the store in `home`; gives its address once it answers.

    Args:
        database_url: None: the SQLite file in `home`.
        login: as the setting: `open`, or `local`.
    """
    with launched(home, database_url, login=login) as (address, server):
        wait_for(address, server)
        yield address


@contextmanager
def launched(
    home: Path, database_url: str | None = None, *, login: str = "open"
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """As `served`, but at once: the process has just been started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "LINEWATCH_HOME": str(home),
        "LINEWATCH_DATABASE_URL": database_url or f"sqlite:///{home / 'linewatch.db'}",
        "LINEWATCH_STORE_URL": str(home / "store"),
        "LINEWATCH_LOGIN": login,
        "LINEWATCH_DASHBOARD_PORT": str(port),
    }
    with (home / "dashboard.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "linewatch", "dashboard"],
            env=environment, cwd=home, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the dashboard answers; RuntimeError if it ends, TimeoutError after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError("the dashboard ended by itself")
        try:
            urlopen(f"{address}/_stcore/health", timeout=2).close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("the dashboard did not start within 60 s")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    found = shutil.which("chromium")
    if found is None:
        raise RuntimeError("this benchmark needs a chromium on the path: install one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()
