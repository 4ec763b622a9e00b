"""Passwords: which are taken, and how they are kept."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from db import passwords
from db.errors import WeakPassword


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests check does not depend on how long a hash takes."""
    monkeypatch.setattr(passwords, "_hasher", lambda: PasswordHasher(1, 8, 1))


def test_a_password_is_known_again_and_another_one_is_not() -> None:
    kept = passwords.hash_password("correct horse battery", "anna")

    assert kept.startswith("$argon2id$")
    assert "horse" not in kept
    assert passwords.verify(kept, "correct horse battery")
    assert not passwords.verify(kept, "correct horse batterY")
    assert passwords.hash_password("correct horse battery", "anna") != kept


def test_without_a_hash_nothing_is_right() -> None:
    assert not passwords.verify(None, "the password of nobody")
    assert not passwords.verify("no hash at all", "correct horse battery")


def test_the_same_letters_typed_otherwise_are_the_same_password() -> None:
    kept = passwords.hash_password("gr\u00fcne Gurken", "anna")

    assert passwords.verify(kept, "gru\u0308ne Gurken")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("ninechars", "9 characters, 10 to 128 are wanted"),
        ("", "0 characters"),
        ("x" * 129, "129 characters, at most 128"),
        ("ANNA.Kowalska", "the user's name"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, reason: str) -> None:
    with pytest.raises(WeakPassword, match=reason):
        passwords.hash_password(password, "anna.kowalska")


def test_the_longest_password_is_taken_whole() -> None:
    kept = passwords.hash_password("x" * 128, "anna")

    assert passwords.verify(kept, "x" * 128)
    assert not passwords.verify(kept, "x" * 127)
    assert not passwords.verify(kept, "x" * 129)


def test_a_hash_of_weaker_parameters_is_to_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = passwords.hash_password("correct horse battery", "anna")
    assert not passwords.needs_rehash(kept)

    monkeypatch.setattr(passwords, "_hasher", lambda: PasswordHasher(2, 16, 1))

    assert passwords.needs_rehash(kept)


def test_the_parameters_are_those_the_library_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert passwords.hash_password("correct horse battery", "anna").startswith(
        "$argon2id$v=19$m=65536,t=3,p=4$"
    )
