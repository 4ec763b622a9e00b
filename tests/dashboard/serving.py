"""The dashboard as `linewatch dashboard` serves it, and the browser that looks at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect, sync_playwright

from linewatch.services import dashboard_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
TIMEOUT_MS = 90_000
#: Gloves: no target is smaller than this.
TARGET_PX = 56
#: deciding.MIN_LOOK_S, and what a busy machine takes to draw the card: a press that comes earlier
#: was meant for the card before.
LOOK_MS = 1000


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def serving(port: int, folder: Path, *, local_only: bool = False) -> Iterator[str]:
    """The dashboard of the environment; gives its address, and leaves its log in `folder`."""
    command = dashboard_command("127.0.0.1", port, local_only=local_only)
    with (folder / "dashboard.log").open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url: str, server: subprocess.Popen[Any]) -> None:
    """Wait until the server answers; fails the test if it ends, or after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the dashboard ended by itself"
        try:
            urlopen(url, timeout=2).close()  # noqa: S310 - our own server
        except (URLError, OSError):
            time.sleep(0.1)
        else:
            return
    pytest.fail("the dashboard did not start within 60 s")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; without one, tests skip, and fail in CI."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium on the path")
        pytest.skip("there is no chromium on the path")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield made
        made.close()


@contextmanager
def watched(page: Page, *, refusals: bool = False) -> Iterator[Page]:
    """Nothing may fail on the page while a test uses it.

    Args:
        page: still empty.
        refusals: whether the server may refuse what the browser asks for.
    """
    page.set_default_timeout(TIMEOUT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    if not refusals:
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    yield page
    exceptions = page.locator('[data-testid="stException"]').count()
    page.close()
    assert errors == []
    assert exceptions == 0


def see(page: Page, inspection: int) -> None:
    """Wait for a card of the Review page, and look at it as long as a person at least does."""
    expect(page.locator(".lw-card")).to_have_attribute("data-card", str(inspection))
    # The last button of the card: all the others are its own by now.
    expect(page.locator(f".st-key-skip-{inspection} button")).to_be_visible()
    page.wait_for_timeout(LOOK_MS)
