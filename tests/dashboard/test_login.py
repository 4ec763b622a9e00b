"""The log-in and what each role sees, against a real database, without a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboard import actor, login, oidc, tickets
from db import passwords, users
from db.access import trusted
from db.login_sessions import open_session, session_user
from db.tables import LoginSession, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dashboard.conftest import Plant

    Opener = Callable[..., AppTest]
    Reader = Callable[[AppTest], str]

APP = Path(__file__).parents[2] / "dashboard" / "app.py"
ROOT = trusted("root")
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes in no time; what is read about a user is read again at once."""
    monkeypatch.setattr(passwords, "_hasher", lambda: PasswordHasher(1, 8, 1))
    monkeypatch.setattr(login, "READ_AGAIN_S", 0.0)


@pytest.fixture
def people(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """A plant where people log in: otto operates, emma is an engineer, anna an admin."""
    monkeypatch.setenv("LINEWATCH_LOGIN", "local")
    monkeypatch.setattr(login, "_cookie", lambda: None)
    plant.add_line()
    with Session(plant.engine) as session, session.begin():
        for name, role in (("otto", "operator"), ("emma", "engineer"), ("anna", "admin")):
            users.add_user(session, name, Role(role), password=PASSWORD, actor=ROOT)
    return plant


@pytest.fixture
def log_in(people: Plant, open_page: Opener) -> Opener:
    """Opens the dashboard and logs in."""

    def run(name: str, password: str = PASSWORD) -> AppTest:
        page = open_page("live")
        page.text_input[0].input(name)
        page.text_input[1].input(password)
        return page.button[0].click().run()

    return run


def test_without_any_user_the_page_says_how_to_make_the_first(
    plant: Plant, open_page: Opener, html_of: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEWATCH_LOGIN", "local")
    monkeypatch.setattr(login, "_cookie", lambda: None)

    page = open_page("live")

    assert "Nobody can log in yet" in html_of(page)
    assert "linewatch user add NAME --role admin" in html_of(page)
    assert not page.text_input
    assert not page.button


def test_without_the_setting_people_have_to_log_in() -> None:
    assert actor.mode({}) is actor.LoginMode.LOCAL
    assert actor.mode({"LINEWATCH_LOGIN": "open"}) is actor.LoginMode.OPEN


@pytest.mark.parametrize("view", ["live", "review", "users", "audit"])
def test_nobody_sees_a_page_before_the_log_in(
    people: Plant, open_page: Opener, html_of: Reader, view: str
) -> None:
    people.add_frame(2.5)

    page = open_page(view)

    assert "Log in" in html_of(page)
    assert "lw-tile" not in html_of(page)
    assert "lw-card" not in html_of(page)
    assert "anna" not in html_of(page)


def test_the_right_password_shows_the_page(log_in: Opener, html_of: Reader) -> None:
    page = log_in("otto")

    assert "lw-line" in html_of(page)
    assert "<b>otto</b><br>operator" in html_of(page)


def test_a_wrong_password_says_so_and_shows_nothing(log_in: Opener, html_of: Reader) -> None:
    for name, password in (("otto", "a wrong password"), ("nobody", PASSWORD), ("", "")):
        page = log_in(name, password)

        assert "The name or the password is wrong" in html_of(page)
        assert "lw-line" not in html_of(page)


def test_after_five_wrong_passwords_the_right_one_has_to_wait(
    people: Plant, log_in: Opener, html_of: Reader
) -> None:
    for _ in range(5):
        log_in("otto", "a wrong password")

    assert "The name or the password is wrong" in html_of(log_in("otto"))
    with Session(people.engine) as session, session.begin():
        users.get_user(session, "otto").locked_until = None
    assert "lw-line" in html_of(log_in("otto"))


@pytest.mark.parametrize(
    ("name", "view", "refusal"),
    [
        ("otto", "users", "This page needs an admin"),
        ("otto", "audit", "This page needs an admin"),
        ("emma", "users", "This page needs an admin"),
        ("emma", "audit", "This page needs an admin"),
        ("anna", "users", None),
        ("anna", "audit", None),
    ],
)
def test_a_page_for_others_refuses_whoever_types_its_address(
    log_in: Opener, html_of: Reader, name: str, view: str, refusal: str | None
) -> None:
    page = log_in(name).switch_page(f"views/{view}.py").run()

    if refusal is None:
        assert "This page needs" not in html_of(page)
        assert "anna" in html_of(page)
    else:
        assert refusal in html_of(page)
        assert f"You are logged in as {name}" in html_of(page)
        assert "user.added" not in html_of(page)
        assert [button.label for button in page.button] == ["Change password", "Log out"]


def test_a_role_taken_away_takes_the_page_away(
    people: Plant, log_in: Opener, html_of: Reader
) -> None:
    page = log_in("anna").switch_page("views/users.py").run()
    with Session(people.engine) as session, session.begin():
        users.set_role(session, "emma", Role.ADMIN, actor=ROOT)
        users.set_role(session, "anna", Role.OPERATOR, actor=ROOT)

    page.run()

    assert "This page needs an admin" in html_of(page)


def test_a_disabled_user_is_out_at_once(people: Plant, log_in: Opener, html_of: Reader) -> None:
    page = log_in("otto")
    with Session(people.engine) as session, session.begin():
        users.disable(session, "otto", actor=ROOT)

    page.run()

    assert "Log in" in html_of(page)
    assert "lw-line" not in html_of(page)


def test_a_log_in_ends_with_its_time(
    log_in: Opener, html_of: Reader, people: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEWATCH_SESSION_HOURS", "0.0001")
    monkeypatch.setattr(login, "READ_AGAIN_S", 3600.0)

    page = log_in("otto")
    with Session(people.engine) as session:
        until = session.query(LoginSession).one().expires_at
    while datetime.now(UTC) < until:
        pass

    assert "Log in" in html_of(page.run())


def test_a_cookie_lets_in_until_the_log_out(
    people: Plant, open_page: Opener, html_of: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(people.engine) as session, session.begin():
        token = open_session(session, users.get_user(session, "otto").id, hours=1)
    monkeypatch.setattr(login, "_cookie", lambda: token)

    page = open_page("live")
    assert "lw-line" in html_of(page)
    page.session_state["of_otto"] = "his place in the queue"
    page.button[1].click().run()

    assert "Log in" in html_of(page)
    assert "of_otto" not in page.session_state
    with Session(people.engine) as session:
        assert session_user(session, token) is None
    assert "Log in" in html_of(open_page("live"))


def test_a_made_up_cookie_lets_nobody_in(
    people: Plant, open_page: Opener, html_of: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "_cookie", lambda: "A" * 43)

    assert "Log in" in html_of(open_page("live"))


def test_who_is_in_stays_in_while_the_database_is_away(
    people: Plant, log_in: Opener, html_of: Reader
) -> None:
    page = log_in("otto")
    with people.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE login_sessions RENAME TO gone")
    assert "lw-line" in html_of(page.run())
    page.button[1].click().run()
    assert "Not logged out" in html_of(page)
    with people.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO login_sessions")

    page.button[1].click().run()

    assert "Log in" in html_of(page)


def test_where_nobody_logs_in_the_typed_name_is_a_trusted_one(
    plant: Plant, open_page: Opener, html_of: Reader
) -> None:
    plant.add_line()

    page = open_page("users")
    page.text_input(key=actor.NAME_KEY).input("Maria").run()

    assert "<h2>Users</h2>" in html_of(page)
    assert [button.label for button in page.button] == ["Add a user"]


class TestWithAnIdentityProvider:
    """`login = oidc`: the provider says who, we say what they may."""

    @pytest.fixture
    def come(
        self, people: Plant, open_page: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., AppTest]:
        """Opens the dashboard as somebody the provider describes so."""
        monkeypatch.setenv("LINEWATCH_LOGIN", "oidc")
        monkeypatch.setattr(oidc, "is_configured", lambda: True)
        with Session(people.engine) as session, session.begin():
            users.add_user(session, "emma@plant.example", Role.ENGINEER, actor=ROOT)

        def run(**claims: object) -> AppTest:
            page = AppTest.from_file(str(APP), default_timeout=20)
            issued = int(datetime.now(UTC).timestamp())
            page.user = {"is_logged_in": True, "iat": issued} | claims if claims else {}
            return page.run()

        return run

    @pytest.mark.parametrize(
        "claims",
        [
            {"email": "emma@plant.example"},
            {"email": "Emma@Plant.Example", "email_verified": True},
            {"preferred_username": "emma@plant.example"},
        ],
    )
    def test_a_user_of_ours_is_let_in_with_our_role(
        self, come: Callable[..., AppTest], html_of: Reader, claims: dict[str, object]
    ) -> None:
        page = come(**claims)

        assert "lw-line" in html_of(page)
        assert "<b>emma@plant.example</b><br>engineer" in html_of(page)
        assert [button.label for button in page.button] == ["Log out"]

    @pytest.mark.parametrize(
        "claims",
        [
            {"email": "stranger@plant.example"},
            {"preferred_username": "stranger"},
        ],
    )
    def test_a_stranger_is_told_whom_to_ask(
        self, come: Callable[..., AppTest], html_of: Reader, claims: dict[str, object]
    ) -> None:
        page = come(**claims)

        assert "You are no user here yet" in html_of(page)
        assert "Ask an admin" in html_of(page)
        assert "lw-line" not in html_of(page)

    def test_an_address_the_provider_does_not_vouch_for_counts_for_nothing(
        self, come: Callable[..., AppTest], html_of: Reader
    ) -> None:
        page = come(email="emma@plant.example", email_verified=False)

        assert "lw-line" not in html_of(page)

    def test_a_disabled_user_is_a_stranger(
        self, come: Callable[..., AppTest], html_of: Reader, people: Plant
    ) -> None:
        page = come(email="emma@plant.example")
        with Session(people.engine) as session, session.begin():
            users.disable(session, "emma@plant.example", actor=ROOT)

        assert "You are no user here yet" in html_of(page.run())

    def test_a_log_in_of_long_ago_is_asked_for_again(
        self, come: Callable[..., AppTest], html_of: Reader
    ) -> None:
        long_ago = datetime.now(UTC) - timedelta(hours=13)

        page = come(email="emma@plant.example", iat=int(long_ago.timestamp()))

        assert "lw-line" not in html_of(page)
        assert [button.label for button in page.button] == ["Log in with your company account"]

    def test_before_the_log_in_there_is_one_button(
        self, come: Callable[..., AppTest], html_of: Reader
    ) -> None:
        page = come()

        assert [button.label for button in page.button] == ["Log in with your company account"]
        assert not page.text_input

    def test_a_provider_that_is_not_configured_is_explained(
        self, come: Callable[..., AppTest], html_of: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(oidc, "is_configured", lambda: False)

        assert "The log-in is not configured" in html_of(come())


def test_a_ticket_is_good_once_and_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(tickets, "monotonic", lambda: now[0])
    ticket = tickets.issue("token")

    assert tickets.redeem(ticket) == "token"
    assert tickets.redeem(ticket) is None
    assert tickets.redeem("made up") is None

    late = tickets.issue("token")
    now[0] += tickets.LIFETIME_S + 1
    assert tickets.redeem(late) is None
    for _ in range(tickets.MOST + 5):
        tickets.issue("token")
    assert len(tickets._tickets) <= tickets.MOST
    tickets._tickets.clear()


def test_a_press_in_a_page_that_slept_past_its_log_in_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LINEWATCH_LOGIN", "local")
    for minutes, is_in in ((1, True), (-1, False)):
        until = datetime.now(UTC) + timedelta(minutes=minutes)
        who = actor.LoggedIn(1, "otto", Role.OPERATOR, until, None)
        monkeypatch.setattr(actor, "logged_in", lambda who=who: who)

        assert actor.may(Role.OPERATOR) is is_in
        if is_in:
            assert actor.current_actor().name == "otto"
        else:
            with pytest.raises(actor.NotLoggedIn):
                actor.current_actor()
