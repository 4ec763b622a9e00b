"""The log-in in a real Chromium, on the server that `linewatch dashboard` starts."""

from __future__ import annotations

import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from dashboard.tickets import COOKIE, HEADER, ROUTE
from db import audit, users
from db.access import trusted
from db.login_sessions import session_user
from db.tables import LoginSession, Role
from tests.dashboard.identity_provider import CLIENT_ID, IdentityProvider
from tests.dashboard.serving import TARGET_PX, TIMEOUT_MS, free_port, serving, watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.dashboard.conftest import Plant

pytestmark = pytest.mark.slow

ROOT = trusted("root")
PASSWORD = "correct horse battery"


@pytest.fixture
def people(plant: Plant) -> Plant:
    """A plant with otto the operator and anna the admin."""
    plant.add_line()
    with Session(plant.engine) as session, session.begin():
        for name, role in (("otto", Role.OPERATOR), ("anna", Role.ADMIN)):
            users.add_user(session, name, role, password=PASSWORD, actor=ROOT)
    return plant


@pytest.fixture
def address(people: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a dashboard is served to which people log in."""
    monkeypatch.setenv("LINEWATCH_LOGIN", "local")
    with serving(free_port(), tmp_path) as where:
        yield where


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser with no cookies."""
    made = browser.new_context(viewport={"width": 1280, "height": 800})
    made.set_default_timeout(TIMEOUT_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """The dashboard's address, opened; nothing may fail in the browser meanwhile."""
    with watched(context.new_page(), refusals=True) as made:
        made.goto(address)
        yield made


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("textbox", name="Password").fill(password)
    page.keyboard.press("Enter")


def cookie(context: BrowserContext) -> dict[str, object]:
    """The log-in's cookie, once the browser has fetched it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for found in context.cookies():
            if found["name"] == COOKIE:
                return dict(found)
        time.sleep(0.1)
    pytest.fail("the browser got no cookie")


def open_menu(page: Page) -> None:
    page.locator(".st-key-account button").click()


def test_a_log_in_outlives_a_reload_and_a_new_tab_until_the_log_out(
    page: Page, context: BrowserContext, address: str, people: Plant
) -> None:
    log_in(page, "otto")
    expect(page.locator(".lw-line")).to_be_visible()
    kept = cookie(context)
    assert (kept["httpOnly"], kept["sameSite"], kept["expires"]) == (True, "Strict", -1)
    assert page.evaluate("document.cookie").count(str(kept["value"])) == 0

    page.reload()
    expect(page.locator(".lw-line")).to_be_visible()
    tab = context.new_page()
    tab.goto(f"{address}/review")
    expect(tab.locator(".st-key-account")).to_contain_text("otto")

    open_menu(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("textbox", name="Password")).to_be_visible()
    tab.reload()
    expect(tab.get_by_role("textbox", name="Password")).to_be_visible()
    with Session(people.engine) as session:
        assert session_user(session, str(kept["value"])) is None


def test_a_wrong_password_is_slowed(page: Page, people: Plant) -> None:
    for _ in range(5):
        log_in(page, "otto", "a wrong password")
        expect(page.get_by_text("The name or the password is wrong")).to_be_visible()
        page.get_by_role("textbox", name="Password").fill("")
        expect(page.get_by_role("textbox", name="Password")).to_have_value("")
        page.wait_for_timeout(300)

    log_in(page, "otto")
    page.wait_for_timeout(1000)
    expect(page.locator(".lw-line")).to_have_count(0)

    page.wait_for_timeout(5000)
    log_in(page, "otto")
    expect(page.locator(".lw-line")).to_be_visible()
    with Session(people.engine) as session:
        events = audit.list_events(session, subject="user:otto")
    assert [event.action for event in events].count("user.login_failed") == 3  # of 1, 2 and 4


def test_a_page_for_others_is_not_offered_and_refuses_by_address(page: Page, address: str) -> None:
    log_in(page, "otto")
    expect(page.locator(".lw-line")).to_be_visible()
    expect(page.get_by_role("link", name="Users")).to_have_count(0)
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)

    for path in ("users", "audit"):
        page.goto(f"{address}/{path}")
        expect(page.get_by_text("This page needs an admin")).to_be_visible()
        expect(page.locator(".st-key-users, .lw-audit")).to_have_count(0)


def test_an_open_page_ends_by_itself_when_its_user_is_disabled(page: Page, people: Plant) -> None:
    log_in(page, "otto")
    expect(page.locator(".lw-line")).to_be_visible()

    with Session(people.engine) as session, session.begin():
        users.disable(session, "otto", actor=ROOT)

    expect(page.get_by_role("textbox", name="Password")).to_be_visible()
    expect(page.locator(".lw-line")).to_have_count(0)


def test_an_admin_adds_somebody_who_logs_in_and_takes_another_password(
    page: Page, people: Plant, browser: Browser, address: str
) -> None:
    log_in(page, "anna")
    page.get_by_role("link", name="Users").click()
    page.get_by_role("button", name="Add a user").click()
    page.get_by_role("textbox", name="Name").fill("dora")
    page.get_by_role("button", name="Add", exact=True).click()
    first = page.get_by_test_id("stDialog").locator("code").inner_text()
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".lw-user", has_text="dora")).to_be_visible()
    expect(page.get_by_text(first)).to_have_count(0)

    with browser.new_context() as other:
        theirs = other.new_page()
        theirs.goto(address)
        log_in(theirs, "dora", first)
        expect(theirs.locator(".lw-line")).to_be_visible()
        open_menu(theirs)
        theirs.get_by_role("button", name="Change password").click()
        _change_password(theirs, first, "four other words", "four other sword")
        expect(theirs.get_by_text("The new passwords differ")).to_be_visible()
        _change_password(theirs, "a guess", "four other words", "four other words")
        expect(theirs.get_by_text("old password is wrong")).to_be_visible()
        _change_password(theirs, first, "four other words", "four other words")
        expect(theirs.get_by_test_id("stDialog")).to_have_count(0)
        cookie(other)
        theirs.reload()  # the session in which it was changed goes on
        expect(theirs.locator(".lw-line")).to_be_visible()

    with Session(people.engine) as session:
        events = audit.list_events(session, subject="user:dora")
        assert users.get_user(session, "dora").role == "operator"
    assert [(event.actor, event.action) for event in reversed(events)] == [
        ("anna", "user.added"),
        ("dora", "user.logged_in"),
        ("dora", "user.login_failed"),
        ("dora", "user.password_changed"),
    ]


def _change_password(page: Page, old: str, new: str, again: str) -> None:
    page.get_by_role("textbox", name="Old password").fill(old)
    page.get_by_role("textbox", name="New password", exact=True).fill(new)
    page.get_by_role("textbox", name="New password, once more").fill(again)
    page.get_by_test_id("stDialog").get_by_role("button", name="Change password").click()


def test_an_admin_gives_a_new_password_which_logs_its_user_out(page: Page, people: Plant) -> None:
    log_in(page, "anna")
    page.get_by_role("link", name="Users").click()
    page.get_by_role("button", name="New password").nth(1).click()
    page.get_by_role("textbox", name="Password").fill("short")
    page.get_by_role("button", name="Give the new password").click()
    expect(page.get_by_text("has 5 characters, 10 to 128 are wanted")).to_be_visible()
    page.get_by_role("textbox", name="Password").fill("four other words")
    page.get_by_role("button", name="Give the new password").click()
    expect(page.get_by_text("Hand this password to otto")).to_be_visible()
    page.get_by_role("button", name="Done").click()

    open_menu(page)
    page.get_by_role("button", name="Log out").click()
    log_in(page, "otto", "four other words")
    expect(page.locator(".st-key-account")).to_contain_text("otto")


def test_every_target_of_the_log_in_suits_a_glove(page: Page) -> None:
    expect(page.get_by_role("textbox", name="Password")).to_be_visible()
    targets = page.locator('button:visible, [data-testid="stTextInputRootElement"]:visible').all()

    heights = [round(box["height"]) for one in targets if (box := one.bounding_box())]

    assert len(heights) >= 3
    # The eye in the password field fills the field but for its border.
    assert min(heights) >= TARGET_PX - 2


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, b"ticket", 403),
        ({HEADER: "1"}, b"made up", 403),
        ({HEADER: "1"}, b"x" * 1000, 413),
    ],
)
def test_the_cookie_is_given_for_a_ticket_only(
    address: str, people: Plant, headers: dict[str, str], body: bytes, code: int
) -> None:
    request = Request(address + ROUTE, data=body, headers=headers, method="POST")  # noqa: S310

    with pytest.raises(HTTPError) as refusal:
        urlopen(request, timeout=10)  # noqa: S310 - our own server
    refusal.value.close()

    assert refusal.value.code == code
    assert "set-cookie" not in refusal.value.headers
    with Session(people.engine) as session:
        assert session.query(LoginSession).count() == 0


def test_where_nobody_logs_in_no_other_site_can_pretend_to_be_ours(
    people: Plant, tmp_path: Path
) -> None:
    def connect(host: str, origin: str) -> int:
        """The answer's code; 101 opens the page's connection."""
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {
            "Host": host, "Origin": origin, "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13",
        }  # fmt: skip
        connection.request("GET", "/_stcore/stream", headers=headers)
        code = connection.getresponse().status
        connection.close()
        return code

    port = free_port()
    with serving(port, tmp_path, local_only=True):
        for name in ("127.0.0.1", "localhost"):
            assert connect(f"{name}:{port}", f"http://{name}:{port}") == 101
        assert connect(f"site.example:{port}", f"http://site.example:{port}") == 403
        assert connect(f"127.0.0.1:{port}", "http://site.example") == 403


def test_the_plants_identity_provider_lets_in_whom_we_know(
    people: Plant, context: BrowserContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("LINEWATCH_LOGIN", "oidc")
    monkeypatch.setenv("STREAMLIT_SECRETS_FILES", str(tmp_path / "secrets.toml"))
    with IdentityProvider() as provider:
        (tmp_path / "secrets.toml").write_text(
            "[auth]\n"
            f'redirect_uri = "{address}/oauth2callback"\n'
            'cookie_secret = "thirty-two-or-more-random-characters"\n'
            f'client_id = "{CLIENT_ID}"\n'
            'client_secret = "secret"\n'
            f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
        )
        with serving(port, tmp_path):
            page = context.new_page()
            page.goto(address)
            provider.claims = {"email": "emma@plant.example", "email_verified": True}
            page.get_by_role("button", name="Log in with your company account").click()
            expect(page.get_by_text("You are no user here yet")).to_be_visible()
            expect(page.get_by_text("emma@plant.example")).to_be_visible()

            with Session(people.engine) as session, session.begin():
                users.add_user(session, "emma@plant.example", Role.OPERATOR, actor=ROOT)
            page.reload()
            expect(page.locator(".lw-line")).to_be_visible()
            expect(page.locator(".st-key-account")).to_contain_text("emma@")

            open_menu(page)
            page.get_by_role("button", name="Log out").click()
            expect(page.get_by_role("button", name="Log in with your company")).to_be_visible()
