"""Log-ins with name and password, guessing, and the sessions they begin."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from sqlalchemy.orm import Session

from db import audit, logins, passwords, users
from db.access import Actor, trusted
from db.errors import Forbidden, LoginRefused, WeakPassword
from db.login_sessions import close_session, open_session, session_user
from db.logins import authenticate, change_own_password, wait_after
from db.tables import LoginSession, Role, User, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

ROOT = trusted("root")
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hashes in no time, but where a test is about time."""
    monkeypatch.setattr(passwords, "_hasher", lambda: PasswordHasher(1, 8, 1))
    passwords._nobodys_hash.cache_clear()
    yield
    passwords._nobodys_hash.cache_clear()


@pytest.fixture
def anna(session: Session) -> User:
    """An operator with a password."""
    added = users.add_user(session, "anna", Role.OPERATOR, password=PASSWORD, actor=ROOT)
    session.commit()
    return added


def guess(session: Session, times: int, name: str = "anna") -> None:
    for _ in range(times):
        with pytest.raises(LoginRefused):
            authenticate(session, name, "a wrong password")


def actions(session: Session) -> list[str]:
    """What happened to anna since she was added, oldest first."""
    events = audit.list_events(session, subject="user:anna")
    return [event.action.removeprefix("user.") for event in reversed(events)][1:]


@pytest.mark.parametrize("name", ["anna", "Anna", " anna "])
def test_the_right_password_lets_in_and_is_told_of(session: Session, anna: User, name: str) -> None:
    user = authenticate(session, name, PASSWORD)

    assert (user.id, user.failed_logins, user.locked_until) == (anna.id, 0, None)
    assert user.last_login_at is not None
    assert actions(session) == ["logged_in"]


def test_whatever_was_wrong_the_answer_is_the_same(session: Session, anna: User) -> None:
    users.add_user(session, "oidc", Role.OPERATOR, actor=ROOT)
    users.add_user(session, "gone", Role.OPERATOR, password=PASSWORD, actor=ROOT)
    users.disable(session, "gone", actor=ROOT)
    session.commit()
    answers = set()

    for name, password in (
        ("anna", "a wrong password"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("oidc", ""),
        ("oidc", "the password of nobody"),
        ("", ""),
    ):
        with pytest.raises(LoginRefused) as refusal:
            authenticate(session, name, password)
        answers.add(str(refusal.value))

    assert answers == {logins.REFUSED}


def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    session: Session, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    passwords._nobodys_hash.cache_clear()
    users.set_password(session, "anna", PASSWORD, actor=ROOT)
    session.commit()
    guess(session, 1, "nobody")  # prepares the hash of nobody

    took = {}
    for name in ("anna", "nobody"):
        began = time.perf_counter()
        guess(session, 3, name)
        took[name] = time.perf_counter() - began

    # Without a hash to compare with it would be over a hundred times faster.
    assert 0.2 < took["nobody"] / took["anna"] < 5


def test_waits_grow_and_end_at_five_minutes() -> None:
    waits = [wait_after(attempts) for attempts in (1, 4, 5, 6, 7, 10, 11, 12, 10**6)]

    assert waits[:2] == [None, None]
    seconds = [wait.total_seconds() for wait in waits if wait]
    assert seconds == [5, 10, 20, 160, 300, 300, 300]


def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(
    session: Session, anna: User
) -> None:
    guess(session, 5)
    with pytest.raises(LoginRefused, match="for 5 minutes at most"):
        authenticate(session, "anna", PASSWORD)

    session.refresh(anna)
    assert anna.failed_logins == 5  # an attempt while it waits changes nothing
    assert anna.locked_until is not None
    assert timedelta() < anna.locked_until - utc_now() <= timedelta(seconds=5)

    anna.locked_until = utc_now()
    session.commit()
    assert authenticate(session, "anna", PASSWORD).failed_logins == 0


def test_a_wait_that_is_over_grows_with_the_next_wrong_password(
    session: Session, anna: User
) -> None:
    guess(session, 5)
    anna.locked_until = utc_now()
    session.commit()

    guess(session, 1)

    session.refresh(anna)
    assert anna.locked_until is not None
    assert anna.locked_until - utc_now() > timedelta(seconds=5)


def test_an_admin_ends_a_wait_by_enabling(session: Session, anna: User) -> None:
    guess(session, 5)

    users.enable(session, "anna", actor=ROOT)
    session.commit()

    authenticate(session, "anna", PASSWORD)


def test_a_long_row_of_wrong_passwords_is_told_of_a_few_times(session: Session, anna: User) -> None:
    for _ in range(20):
        guess(session, 1)
        anna.locked_until = None
        session.commit()

    assert actions(session) == ["login_failed"] * 5  # of attempts 1, 2, 4, 8 and 16
    newest = audit.list_events(session)[0]
    assert newest.details == {"attempts": 16}


def test_many_guesses_at_once_gain_nothing(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        users.add_user(session, "anna", Role.OPERATOR, password=PASSWORD, actor=ROOT)
    looked_at: list[str] = []

    def attempt() -> None:
        with Session(engine) as mine:
            try:
                authenticate(mine, "anna", "a wrong password")
            except LoginRefused:
                looked_at.append("refused")

    threads = [Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with Session(engine) as session:
        assert users.get_user(session, "anna").failed_logins == 5
    assert len(looked_at) == 12


def test_a_hash_of_old_parameters_is_made_anew_at_the_log_in(
    session: Session, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = anna.password_hash
    monkeypatch.setattr(passwords, "_hasher", lambda: PasswordHasher(2, 16, 1))

    after = authenticate(session, "anna", PASSWORD).password_hash

    assert before != after
    assert after is not None
    assert not passwords.needs_rehash(after)


def test_ones_own_password_needs_the_old_one_and_ends_other_sessions(
    session: Session, anna: User
) -> None:
    here, there = (open_session(session, anna.id, hours=1) for _ in range(2))
    session.commit()

    with pytest.raises(LoginRefused, match="the old password is wrong"):
        change_own_password(session, "a guess", "four other words", actor=Actor("anna"))
    with pytest.raises(WeakPassword):
        change_own_password(session, PASSWORD, "short", actor=Actor("anna"))
    assert session_user(session, there) is not None
    change_own_password(session, PASSWORD, "four other words", actor=Actor("anna"), token=here)

    assert session_user(session, here) is not None
    assert session_user(session, there) is None
    assert actions(session) == ["login_failed", "password_changed"]
    authenticate(session, "anna", "four other words")


def test_the_old_password_cannot_be_guessed_faster_than_at_the_log_in(
    session: Session, anna: User
) -> None:
    for _ in range(5):
        with pytest.raises(LoginRefused):
            change_own_password(session, "a guess", "four other words", actor=Actor("anna"))

    with pytest.raises(LoginRefused):
        change_own_password(session, PASSWORD, "four other words", actor=Actor("anna"))


def test_a_disabled_user_changes_no_password(session: Session, anna: User) -> None:
    users.disable(session, "anna", actor=ROOT)

    with pytest.raises(Forbidden):
        change_own_password(session, PASSWORD, "four other words", actor=Actor("anna"))


def test_a_session_is_its_users_until_its_time_or_the_log_out(session: Session, anna: User) -> None:
    first, second = (open_session(session, anna.id, hours=1) for _ in range(2))
    found = session_user(session, first)
    assert found is not None
    assert (found.name, found.role) == ("anna", Role.OPERATOR)
    assert timedelta(minutes=59) < found.expires_at - utc_now() <= timedelta(hours=1)

    close_session(session, first)

    assert session_user(session, first) is None
    assert session_user(session, second) is not None
    for row in session.query(LoginSession):
        row.expires_at = utc_now()
    assert session_user(session, second) is None
    open_session(session, anna.id, hours=1)
    assert session.query(LoginSession).count() == 1  # what is over is forgotten


def test_a_sessions_role_is_the_one_of_now(session: Session, anna: User) -> None:
    token = open_session(session, anna.id, hours=1)

    users.set_role(session, "anna", Role.ADMIN, actor=ROOT)

    found = session_user(session, token)
    assert found is not None
    assert found.role is Role.ADMIN


def test_the_database_does_not_hold_what_the_cookie_holds(session: Session, anna: User) -> None:
    token = open_session(session, anna.id, hours=1)

    (row,) = session.query(LoginSession)
    assert len(token) >= 43  # 256 bits
    assert token not in (row.token_sha256,)
    assert session_user(session, row.token_sha256) is None
