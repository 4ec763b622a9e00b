"""Passwords in addresses and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linewatch.errors import SettingsError
from linewatch.secrets import read_secret, with_password, without_password

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:pw@host:6379/0", "redis://:****@host:6379/0"),
        ("postgresql+psycopg://u:p@ss:w/rd@host/db", "postgresql+psycopg://u:****@host/db"),
        ("unix:///run/r.sock?db=0&password=pw", "unix:///run/r.sock?db=0&password=****"),
        ("sqlite:////home/u/linewatch.db", "sqlite:////home/u/linewatch.db"),
        ("/var/lib/images", "/var/lib/images"),
    ],
)
def test_a_shown_address_has_no_password(url: str, expected: str) -> None:
    assert without_password(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379/0", "redis://:p%40%2F@host:6379/0"),
        ("postgresql://u@host/db", "postgresql://u:p%40%2F@host/db"),
        ("redis://:own@host", "redis://:own@host"),
    ],
)
def test_a_password_is_put_into_an_address_that_has_none(url: str, expected: str) -> None:
    assert with_password(url, "p@/") == expected


def test_an_address_stays_as_it_is_without_a_password() -> None:
    assert with_password("redis://host", None) == "redis://host"


def test_a_secret_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(" with space \n")

    assert read_secret(tmp_path / "pw", "redis_password_file") == " with space "


def test_an_empty_or_missing_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")

    with pytest.raises(SettingsError, match=r"empty is empty, a password was expected"):
        read_secret(tmp_path / "empty", "redis_password_file")
    with pytest.raises(SettingsError, match=r"redis_password_file: cannot read .*No such file"):
        read_secret(tmp_path / "missing", "redis_password_file")
