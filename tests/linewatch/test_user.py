"""`linewatch user`: the first admin and all others, from the command line."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from db import passwords, users
from db.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Outcome

    Linewatch = Callable[..., Outcome]

PASSWORD = "correct horse battery"


@pytest.fixture
def database(linewatch: Linewatch) -> Iterator[Session]:
    """The database of a new home."""
    assert linewatch("db", "upgrade").code == 0
    engine = make_engine(f"sqlite:///{Path.home() / '.linewatch' / 'linewatch.db'}")
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password comes from the environment."""
    monkeypatch.setenv("LINEWATCH_NEW_PASSWORD", PASSWORD)


def assert_one_line(outcome: Outcome, *wanted: str) -> None:
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1, outcome.err
    for text in wanted:
        assert text in outcome.err


def test_the_first_admin_is_added_with_a_password_from_the_environment(
    linewatch: Linewatch, database: Session, password: None
) -> None:
    outcome = linewatch("user", "add", "anna", "--role", "admin")

    assert outcome.code == 0, outcome.err
    assert PASSWORD not in outcome.out + outcome.err
    anna = users.get_user(database, "anna")
    assert anna.role == "admin"
    assert passwords.verify(anna.password_hash, PASSWORD)


def test_a_password_comes_from_a_file(
    linewatch: Linewatch, database: Session, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    words = ("user", "add", "anna", "--role", "operator", "--password-file", tmp_path / "secret")

    assert linewatch(*words).code == 0

    assert passwords.verify(users.get_user(database, "anna").password_hash, PASSWORD)
    words = ("user", "password", "anna", "--password-file", tmp_path / "missing")
    assert_one_line(linewatch(*words), "cannot read", "missing")


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(
    linewatch: Linewatch, database: Session
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "linewatch", "user", "add", "anna", "--role", "admin"]
    project = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env=os.environ | {"PYTHONPATH": project},
    )  # fmt: skip
    os.close(theirs)
    seen = ""
    for prompt in ("Password: ", "Repeat for confirmation: "):
        while prompt not in seen:
            seen += os.read(ours, 1000).decode()
        os.write(ours, f"{PASSWORD}\n".encode())
    try:
        while part := os.read(ours, 1000).decode():
            seen += part
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)

    assert process.wait(30) == 0, seen
    assert PASSWORD not in seen
    assert "added user anna, admin" in seen
    assert passwords.verify(users.get_user(database, "anna").password_hash, PASSWORD)


def test_without_a_password_or_a_terminal_it_says_what_to_do(
    linewatch: Linewatch, database: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        outcome = linewatch("user", "add", "anna", "--role", "admin")

    assert_one_line(outcome, "LINEWATCH_NEW_PASSWORD", "--password-file")
    assert users.list_users(database) == []


def test_a_user_of_the_identity_provider_needs_no_password(
    linewatch: Linewatch, database: Session
) -> None:
    words = ("user", "add", "emma@plant.example", "--role", "engineer", "--no-password")

    assert linewatch(*words).code == 0

    assert users.get_user(database, "emma@plant.example").password_hash is None
    assert_one_line(
        linewatch(*words, "--password-file", "x"), "--no-password and --password-file exclude"
    )


def test_users_are_listed_changed_disabled_and_enabled(
    linewatch: Linewatch, database: Session, password: None
) -> None:
    for name, role in (("anna", "admin"), ("otto", "operator")):
        assert linewatch("user", "add", name, "--role", role).code == 0

    assert linewatch("user", "role", "otto", "engineer").code == 0
    assert linewatch("user", "disable", "otto").code == 0
    rows = [line.split() for line in linewatch("user", "list").out.splitlines()]
    assert rows[0][:3] == ["user", "role", "state"]
    assert [row[:4] for row in rows[1:]] == [
        ["anna", "admin", "enabled", "never"],
        ["otto", "engineer", "disabled", "never"],
    ]
    assert linewatch("user", "enable", "otto").code == 0
    assert users.get_user(database, "otto").disabled_at is None


def test_a_new_password_is_given(
    linewatch: Linewatch, database: Session, password: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    linewatch("user", "add", "anna", "--role", "admin")
    monkeypatch.setenv("LINEWATCH_NEW_PASSWORD", "four other words")

    assert linewatch("user", "password", "anna").code == 0

    assert passwords.verify(users.get_user(database, "anna").password_hash, "four other words")


def test_what_cannot_be_is_one_line(
    linewatch: Linewatch, database: Session, password: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    linewatch("user", "add", "anna", "--role", "admin")

    assert_one_line(linewatch("user", "add", "Anna", "--role", "admin"), "'Anna' already")
    assert_one_line(linewatch("user", "add", " ", "--role", "admin"), "visible characters")
    assert_one_line(linewatch("user", "add", "bert"), "--role")
    assert_one_line(linewatch("user", "role", "anna", "operator"), "last admin")
    assert_one_line(linewatch("user", "disable", "anna"), "last admin")
    for verb in ("disable", "enable", "password"):
        assert_one_line(linewatch("user", verb, "nobody"), "no user 'nobody'")
    monkeypatch.setenv("LINEWATCH_NEW_PASSWORD", "short")
    assert_one_line(linewatch("user", "add", "bert", "--role", "operator"), "5 characters")
    assert [user.name for user in users.list_users(database)] == ["anna"]
