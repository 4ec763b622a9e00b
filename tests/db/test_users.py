"""Users: added, changed by admins only, and never without an admin."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from db import audit, passwords, users
from db.access import Actor, trusted
from db.errors import Conflict, Forbidden, NotFound, WeakPassword
from db.login_sessions import open_session, session_user
from db.tables import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

ROOT = trusted("root")
PASSWORD = "correct horse battery"


def test_a_user_is_added_without_a_password_and_with_who_did_it(session: Session) -> None:
    users.add_user(session, "anna", Role.ENGINEER, actor=ROOT)
    session.commit()

    user = users.get_user(session, "anna")
    assert (user.role, user.password_hash, user.disabled_at) == ("engineer", None, None)
    (event,) = audit.list_events(session)
    assert (event.actor, event.action, event.subject) == ("root", "user.added", "user:anna")
    assert event.details == {"role": "engineer"}


def test_a_user_is_added_with_a_password_that_stands_nowhere(session: Session) -> None:
    user = users.add_user(session, " anna ", Role.OPERATOR, password=PASSWORD, actor=ROOT)

    assert user.name == "anna"
    assert passwords.verify(user.password_hash, PASSWORD)
    assert all("horse" not in str(event.details) for event in audit.list_events(session))


def test_a_weak_password_adds_nobody(session: Session) -> None:
    with pytest.raises(WeakPassword):
        users.add_user(session, "anna", Role.OPERATOR, password="short", actor=ROOT)

    assert users.list_users(session) == []


@pytest.mark.parametrize("name", ["anna", "Anna", " ANNA"])
def test_a_name_that_is_taken_is_a_conflict_in_any_case(session: Session, name: str) -> None:
    users.add_user(session, "anna", Role.OPERATOR, actor=ROOT)

    with pytest.raises(Conflict, match=r"there is a user '(?i:anna)' already"):
        users.add_user(session, name, Role.ADMIN, actor=ROOT)

    assert users.get_user(session, "anna").role == "operator"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 129, "an\u200bna"])
def test_a_name_nobody_could_read_is_refused(session: Session, name: str) -> None:
    with pytest.raises(users.BadName, match="1 to 128 visible characters"):
        users.add_user(session, name, Role.OPERATOR, actor=ROOT)


def test_an_unknown_user_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound, match="there is no user 'bert'"):
        users.get_user(session, "bert")
    assert users.find_user(session, "bert") is None


def test_a_role_changes_at_once(session: Session) -> None:
    users.add_user(session, "anna", Role.OPERATOR, actor=ROOT)

    users.set_role(session, "anna", Role.ENGINEER, actor=ROOT)
    users.set_role(session, "anna", Role.ENGINEER, actor=ROOT)  # changes nothing: no event

    assert users.get_user(session, "anna").role == "engineer"
    session.commit()
    events = audit.list_events(session)
    assert [event.action for event in events] == ["user.role_changed", "user.added"]
    assert events[0].details == {"before": "operator", "role": "engineer"}


def test_a_disabled_user_is_logged_out_and_can_be_enabled_again(session: Session) -> None:
    anna = users.add_user(session, "anna", Role.OPERATOR, password=PASSWORD, actor=ROOT)
    token = open_session(session, anna.id, hours=1)
    assert session_user(session, token) is not None

    users.disable(session, "anna", actor=ROOT)
    assert session_user(session, token) is None
    assert not users.somebody_can_log_in(session)
    users.enable(session, "anna", actor=ROOT)

    assert session_user(session, token) is None
    assert users.somebody_can_log_in(session)
    session.commit()
    actions = [event.action for event in audit.list_events(session, subject="user:anna")]
    assert actions == ["user.enabled", "user.disabled", "user.added"]


def test_a_new_password_ends_all_sessions(session: Session) -> None:
    anna = users.add_user(session, "anna", Role.OPERATOR, password=PASSWORD, actor=ROOT)
    token = open_session(session, anna.id, hours=1)

    users.set_password(session, "anna", "four other words", actor=ROOT)

    assert session_user(session, token) is None
    assert passwords.verify(users.get_user(session, "anna").password_hash, "four other words")


def demote(session: Session, name: str, *, actor: Actor) -> object:
    return users.set_role(session, name, Role.ENGINEER, actor=actor)


@pytest.mark.parametrize("change", [users.disable, demote])
def test_the_last_admin_stays(session: Session, change: Callable[..., object]) -> None:
    users.add_user(session, "anna", Role.ADMIN, actor=ROOT)
    users.add_user(session, "bert", Role.ADMIN, actor=ROOT)
    users.disable(session, "bert", actor=ROOT)

    with pytest.raises(Conflict, match="'anna' is the last admin"):
        change(session, "anna", actor=Actor("anna"))

    users.enable(session, "bert", actor=Actor("anna"))
    change(session, "anna", actor=Actor("anna"))
    with pytest.raises(Forbidden):
        change(session, "bert", actor=Actor("anna"))


@pytest.mark.parametrize("role", [None, Role.OPERATOR, Role.ENGINEER])
def test_only_admins_change_users(session: Session, role: Role | None) -> None:
    users.add_user(session, "bert", Role.OPERATOR, actor=ROOT)
    if role:
        users.add_user(session, "anna", role, actor=ROOT)
    session.commit()
    anna = Actor("anna")

    for change in (
        lambda: users.add_user(session, "carl", Role.ADMIN, actor=anna),
        lambda: users.set_role(session, "anna", Role.ADMIN, actor=anna),
        lambda: users.set_password(session, "bert", PASSWORD, actor=anna),
        lambda: users.disable(session, "bert", actor=anna),
        lambda: users.enable(session, "bert", actor=anna),
    ):
        with pytest.raises(Forbidden):
            change()

    session.rollback()
    assert [
        (user.name, user.role) for user in users.list_users(session) if user.name != "anna"
    ] == [("bert", "operator")]


def test_two_admins_who_demote_each_other_at_once_leave_one(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        for name in ("anna", "bert"):
            users.add_user(session, name, Role.ADMIN, actor=ROOT)
    refused: list[Exception] = []

    def demote_the_other(me: str, other: str) -> None:
        try:
            with Session(engine) as session, session.begin():
                users.set_role(session, other, Role.OPERATOR, actor=Actor(me))
        except (Conflict, Forbidden) as error:
            refused.append(error)

    both = [
        Thread(target=demote_the_other, args=names)
        for names in (("anna", "bert"), ("bert", "anna"))
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()

    with Session(engine) as session:
        roles = sorted(user.role for user in users.list_users(session))
    assert roles == ["admin", "operator"]
    assert len(refused) == 1
