"""The Users page against a real database, without a browser; its dialogs need one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from dashboard.views.users import PER_PAGE
from db import audit, users
from db.access import trusted
from db.tables import Role, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]

ROOT = trusted("root")


@pytest.fixture
def people(plant: Plant) -> Plant:
    """Anna is the only admin, otto an operator."""
    with Session(plant.engine) as session, session.begin():
        users.add_user(session, "anna", Role.ADMIN, actor=ROOT)
        users.add_user(session, "otto", Role.OPERATOR, password="correct horse", actor=ROOT)
    return plant


def user_ids(people: Plant) -> dict[str, int]:
    with Session(people.engine) as session:
        return {user.name: user.id for user in users.list_users(session)}


def test_everybody_is_listed_with_role_and_state(
    people: Plant, open_page: Opener, html_of: Reader
) -> None:
    with Session(people.engine) as session, session.begin():
        users.add_user(session, "<b>eve", Role.ENGINEER, password="correct horse", actor=ROOT)
        users.disable(session, "<b>eve", actor=ROOT)
        waiting = users.get_user(session, "otto")
        waiting.failed_logins, waiting.locked_until = 7, utc_now() + timedelta(minutes=1)

    page = open_page("users")

    assert [box.value for box in page.selectbox] == ["engineer", "admin", "operator"]
    assert "&lt;b&gt;eve" in html_of(page)
    assert "disabled 20" in html_of(page)
    assert "has no password" in html_of(page)
    assert "waits after 7 wrong passwords" in html_of(page)
    labels = [button.label for button in page.button if button.label != "New password"]
    assert labels == ["Add a user", "Enable", "Disable", "End the wait"]


def test_a_role_is_given_and_the_last_admins_is_not_taken(
    people: Plant, open_page: Opener, html_of: Reader
) -> None:
    ids = user_ids(people)
    page = open_page("users")

    page.selectbox(key=f"role-{ids['anna']}").select("operator").run()
    assert "is the last admin: make somebody else an admin first" in html_of(page)
    assert page.selectbox(key=f"role-{ids['anna']}").value == "admin"
    page.selectbox(key=f"role-{ids['otto']}").select("engineer").run()

    assert "last admin" not in html_of(page)
    with Session(people.engine) as session:
        assert users.get_user(session, "otto").role == "engineer"
        assert users.get_user(session, "anna").role == "admin"
        assert audit.list_events(session)[0].actor == "operator"  # the name typed nowhere


def test_a_user_is_disabled_and_enabled(people: Plant, open_page: Opener, html_of: Reader) -> None:
    ids = user_ids(people)
    page = open_page("users")

    page.button(key=f"switch-{ids['anna']}").click().run()
    assert "the last admin" in html_of(page)
    page.button(key=f"switch-{ids['otto']}").click().run()
    assert "disabled 20" in html_of(page)
    assert page.selectbox(key=f"role-{ids['otto']}").disabled
    page.button(key=f"switch-{ids['otto']}").click().run()

    assert "disabled 20" not in html_of(page)
    with Session(people.engine) as session:
        actions = [event.action for event in audit.list_events(session, subject="user:otto")]
    assert actions == ["user.enabled", "user.disabled", "user.added"]


def test_many_users_come_in_pages(people: Plant, open_page: Opener) -> None:
    with Session(people.engine) as session, session.begin():
        for number in range(PER_PAGE):
            users.add_user(session, f"user {number:02}", Role.OPERATOR, actor=ROOT)

    page = open_page("users")
    first = [box.label for box in page.selectbox]
    page.session_state["users-page"] = 2
    page.run()
    second = [box.label for box in page.selectbox]

    assert len(first) == PER_PAGE
    assert first[0] == "Role of anna"
    assert second == ["Role of user 10", "Role of user 11"]
