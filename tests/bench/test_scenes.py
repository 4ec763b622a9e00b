"""When the watcher of the pages takes a page as painted, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import TimeoutError as Late
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from bench import scenes
from bench.scenes import Scene, play
from tests.dashboard.serving import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

#: A page that never shows a run, as where React draws its start and its end at once.
PAGE = '<div data-testid="stApp" data-test-script-state="notRunning"><button>Go</button></div>'
#: Lets the server say something once the button is pressed.
ANSWER = """
bytes => {
  const socket = new WebSocket("ws://127.0.0.1:9");
  const data = new Uint8Array(bytes).buffer;
  document.querySelector("button").onclick = () =>
    setTimeout(() => socket.dispatchEvent(new MessageEvent("message", {data})), 50);
}
"""
DONE = ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY
ANOTHER = ForwardMsg.ScriptFinishedStatus.FINISHED_EARLY_FOR_RERUN


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.add_init_script(scenes.WATCH)
        page.route("http://page.test/", lambda route: route.fulfill(body=PAGE))
        page.goto("http://page.test/")
        yield page


def press(page: Page, message: ForwardMsg) -> float:
    """Milliseconds to painted, where the server answers with that message."""
    page.evaluate(ANSWER, list(message.SerializeToString()))
    return play(page, Scene("press", "button", None, lambda page: page.click("button")))


def test_a_run_that_shows_no_state_is_seen(page: Page) -> None:
    assert press(page, ForwardMsg(script_finished=DONE)) >= 50
    message = ForwardMsg(hash="0" * 40, script_finished=DONE)
    message.metadata.active_script_hash = "0" * 300
    assert press(page, message) >= 50


def test_what_is_no_end_of_a_run_is_waited_through(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes, "TIMEOUT_MS", 300)
    some = ForwardMsg(hash="0" * 40)
    some.delta.new_element.text.body = "0" * 300
    for message in (some, ForwardMsg(script_finished=ANOTHER)):
        with pytest.raises(Late):
            press(page, message)
