"""Passwords: hidden in what is shown, read from files, put into addresses only to connect."""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from linewatch.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "****"
#: Of a password that is made here.
PASSWORD_BYTES = 24
#: scheme://user:password@ - up to the last '@', as people forget to escape '@' and '/'.
_USER_PART = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^:@/?#]*):.*@", re.IGNORECASE)
_PARAMETER = re.compile(r"(?P<name>[?&;](?:password|secret|token|key)=)[^&;#]*", re.IGNORECASE)
#: The same in running text, where an address ends at the next space; and as libpq writes them.
_USER_PART_IN_TEXT = re.compile(_USER_PART.pattern.replace(".*@", r"\S*@"), re.IGNORECASE)
_PARAMETER_IN_TEXT = re.compile(_PARAMETER.pattern.replace("[^&;#]", r"[^&;#\s]"), re.IGNORECASE)
_WORD = re.compile(r"(?P<name>\bpassword=)[^\s&;#]+", re.IGNORECASE)


def without_password(url: str) -> str:
    """`url` with a password between user and host, or in a parameter, replaced by asterisks."""
    return _PARAMETER.sub(rf"\g<name>{HIDDEN}", _USER_PART.sub(rf"\g<head>:{HIDDEN}@", url))


def without_passwords(text: str) -> str:
    """`text` with the passwords in all of its addresses replaced by asterisks."""
    if "://" not in text and "password=" not in text.lower():
        return text  # nearly always
    text = _USER_PART_IN_TEXT.sub(rf"\g<head>:{HIDDEN}@", text)
    text = _WORD.sub(rf"\g<name>{HIDDEN}", text)
    return _PARAMETER_IN_TEXT.sub(rf"\g<name>{HIDDEN}", text)


def with_password(url: str, password: str | None) -> str:
    """`url` with `password` between user and host, unless it has one already."""
    parts = urlsplit(url)
    if not password or parts.password:
        return url
    user = parts.username or ""
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


def read_secret(path: Path, setting: str) -> str:
    """The password in the file at `path`, without the line end that editors add.

    Raises:
        SettingsError: if it cannot be read or is empty.
    """
    try:
        secret = path.expanduser().read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not a text file"
        raise SettingsError(f"{setting}: cannot read {path}: {reason}") from exc
    if not secret:
        raise SettingsError(f"{setting}: {path} is empty, a password was expected")
    return secret


def made_secret(path: Path) -> str:
    """The password in the file at `path`; a new one, for this system's user only, if it is missing.

    Raises:
        SettingsError: if it cannot be read or written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_secret(path, "secrets")
    except OSError as exc:
        raise SettingsError(f"{path} cannot hold a password: {exc.strerror}") from exc
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    with os.fdopen(descriptor, "w") as out:
        out.write(password + "\n")
    return password
