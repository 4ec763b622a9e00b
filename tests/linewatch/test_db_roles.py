"""`linewatch db roles`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine, make_url, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Databases
    from tests.linewatch.conftest import Outcome


def test_sqlite_is_told_apart(linewatch: Callable[..., Outcome], tmp_path: Path) -> None:
    linewatch("db", "upgrade", "--home", tmp_path)

    outcome = linewatch("db", "roles", tmp_path / "secrets", "--home", tmp_path)

    assert outcome.code == 2
    assert "only PostgreSQL" in outcome.err
    assert not (tmp_path / "secrets").exists()


def test_each_role_logs_in_with_the_password_in_its_file(
    linewatch: Callable[..., Outcome],
    open_databases: Callable[[str], Databases],
    tmp_path: Path,
) -> None:
    databases = open_databases("postgresql")
    url = databases.make()
    words = ("--home", tmp_path, "--database-url", url)
    assert linewatch("db", "upgrade", *words).code == 0

    owned = linewatch("doctor", "--check", "database", *words)

    outcome = linewatch("db", "roles", tmp_path / "secrets", *words)

    assert outcome.code == 0, outcome.err
    assert "could change the audit trail" in owned.out
    logins = [line.split(":")[0] for line in outcome.out.splitlines()]
    try:
        for login in logins:
            role = login.rpartition("_")[2]
            file = tmp_path / f"secrets/postgres_{role}_password"
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.read_text().strip() not in outcome.out
            own = make_url(url).set(username=login, password=file.read_text().strip())
            shown = own.render_as_string(hide_password=False)
            found = linewatch("doctor", "--check", "database", "--database-url", shown)
            assert "at revision" in found.out
            assert "audit trail" not in found.out
            engine = create_engine(own.set(drivername="postgresql+psycopg"))
            with engine.connect() as connection:
                assert connection.scalar(text("SELECT current_user")) == login
            engine.dispose()
    finally:
        databases.drop(url, logins)
