"""Passwords: which are taken, and how they are kept (argon2id)."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from db.errors import WeakPassword

MIN_CHARS = 10
MAX_CHARS = 128
#: Each takes 64 MiB for a moment: many log-ins at once wait instead of filling the memory.
HASHES_AT_ONCE = 2

#: Without 0, 1, l and o.
FIRST_PASSWORD_SIGNS = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105

_turn = BoundedSemaphore(HASHES_AT_ONCE)


def hash_password(password: str, name: str) -> str:
    """What to keep of a new password.

    Raises:
        WeakPassword: if it is too short or too long, or says the name of its user.
    """
    plain = _same_everywhere(password)
    if not MIN_CHARS <= len(plain) <= MAX_CHARS:
        raise WeakPassword(
            f"the password has {len(plain)} characters, {MIN_CHARS} to {MAX_CHARS} are wanted: "
            "choose a longer one, such as four words"
            if len(plain) < MIN_CHARS
            else f"the password has {len(plain)} characters, at most {MAX_CHARS} are taken: "
            "choose a shorter one"
        )
    if plain.strip().casefold() == name.strip().casefold():
        raise WeakPassword("the password is the user's name: choose another one")
    with _turn:
        return _hasher().hash(plain)


def verify(password_hash: str | None, password: str) -> bool:
    """Whether `password` is the one; takes the same time if there is none to compare with."""
    plain = _same_everywhere(password)[: MAX_CHARS + 1]
    with _turn:
        try:
            _hasher().verify(password_hash or _nobodys_hash(), plain)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether it was made with weaker parameters than today's."""
    return _hasher().check_needs_rehash(password_hash)


def first_password() -> str:
    """A password to hand to somebody: 80 random bits, in signs that nobody mistakes for others."""
    signs = "".join(secrets.choice(FIRST_PASSWORD_SIGNS) for _ in range(16))
    return "-".join(signs[start : start + 4] for start in range(0, 16, 4))


@cache
def _hasher() -> PasswordHasher:
    """With the library's recommended parameters, which grow with its releases (RFC 9106)."""
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash("the password of nobody")


def _same_everywhere(password: str) -> str:
    """Keyboards send the same letter in different ways; here it is one."""
    return unicodedata.normalize("NFKC", password)
