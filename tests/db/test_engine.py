"""Engines, their settings, and their failures in words."""

from __future__ import annotations

import os
import socket
import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from db.access import trusted
from db.engine import check, make_engine
from db.errors import DatabaseUnavailable
from db.lines import add_line, get_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine


@pytest.fixture
def file_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a SQLite file that does not exist yet."""
    made = make_engine(f"sqlite:///{tmp_path}/linewatch.db")
    yield made
    made.dispose()


def test_a_database_that_is_there_passes(engine: Engine) -> None:
    check(engine)


def test_sqlite_connections_share_the_file_safely(file_engine: Engine) -> None:
    names = ["journal_mode", "synchronous", "busy_timeout", "foreign_keys"]

    with file_engine.connect() as connection:
        found = [connection.scalar(text(f"PRAGMA {name}")) for name in names]

    assert found == ["wal", 1, 10_000, 1]  # synchronous 1 is NORMAL


def test_a_sqlite_address_may_ask_that_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'linewatch.db'}?synchronous=full")

    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # 2 is FULL
    assert [file.name for file in tmp_path.glob("*.db*")] == ["linewatch.db"]
    engine.dispose()


def test_a_sqlite_address_may_not_ask_for_less(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="synchronous=off: write synchronous=full"):
        make_engine(f"sqlite:///{tmp_path / 'linewatch.db'}?synchronous=off")


def test_a_transaction_that_has_read_may_write_though_another_wrote_meanwhile(
    engine: Engine,
) -> None:
    # By SQLite's own default this fails with "database is locked": what was read is out of date.
    with Session(engine) as early, Session(engine) as late:
        add_line(early, "one", actor=trusted("test"))
        early.commit()
        assert get_line(late, "one").description == ""
        add_line(early, "two", actor=trusted("test"))
        early.commit()

        add_line(late, "three", actor=trusted("test"))
        late.commit()


def test_a_reader_does_not_hold_up_a_writer(engine: Engine) -> None:
    with Session(engine) as reader, Session(engine) as writer:
        reader.execute(text("SELECT count(*) FROM lines"))
        add_line(writer, "one", actor=trusted("test"))

        seen_before = reader.scalar(text("SELECT count(*) FROM lines"))
        writer.commit()
        seen_after = reader.scalar(text("SELECT count(*) FROM lines"))

    assert (seen_before, seen_after) == (0, 1)


def test_references_are_enforced(session: Session) -> None:
    insert = text("INSERT INTO reviews (inspection_id, camera_id, reviewer, decision, created_at)"
                  " VALUES (77, 7, 'anna', 'good', '2026-03-02 12:00:00')")  # fmt: skip

    with pytest.raises(Exception, match=r"(?i)foreign key"):
        session.execute(insert)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("linewatch.db", "cannot be read: write sqlite:///"),
        ("postgresql://linewatch:secret@host:port/name", "cannot be read: write sqlite:///"),
        ("mysql://linewatch:secret@host/name", "'mysql' are not supported"),
        ("sqlite://", "in memory cannot be shared"),
        ("sqlite:///:memory:", "in memory cannot be shared"),
        ("postgresql+nodriver://linewatch:secret@host/name", "extra 'postgres'"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(
    url: str, words: str
) -> None:
    with pytest.raises(DatabaseUnavailable, match=words) as caught:
        make_engine(url)

    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_clear_line_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    engine = make_engine(f"postgresql://linewatch:secret@127.0.0.1:{port}/name")

    with pytest.raises(DatabaseUnavailable, match=r"refused.*check that the server runs") as caught:
        check(engine)

    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert f"postgresql+psycopg://linewatch:***@127.0.0.1:{port}/name" in str(caught.value)


def test_a_missing_database_on_a_server_is_named(empty_database_url: str) -> None:
    if empty_database_url.startswith("sqlite"):
        pytest.skip("a file that is missing is an empty database")

    with pytest.raises(DatabaseUnavailable, match=r'"absent" does not exist'):
        check(make_engine(make_url(empty_database_url).set(database="absent")))


def test_a_file_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/missing/linewatch.db")

    with pytest.raises(DatabaseUnavailable, match=r"there is no folder .*/missing: create it"):
        check(engine)
    with pytest.raises(DatabaseUnavailable, match="check that its folder exists"):
        engine.connect()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="that is a folder: name a file in it"):
        check(make_engine(f"sqlite:///{tmp_path}"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(DatabaseUnavailable, match="change their permissions"):
        check(make_engine(f"sqlite:///{tmp_path}/linewatch.db"))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be taken for one\n" * 40)

    with pytest.raises(DatabaseUnavailable, match=r"is not a SQLite database: name another file"):
        check(make_engine(f"sqlite:///{file}"))

    assert file.read_text().startswith("not a database")


def test_a_full_disk_says_so(file_engine: Engine) -> None:
    with file_engine.connect() as connection:
        connection.execute(text("CREATE TABLE bulk (data BLOB)"))
        connection.execute(text("PRAGMA max_page_count = 4"))  # as if the disk ended there

        with pytest.raises(DatabaseUnavailable, match=r"full: the disk is full: free some space"):
            connection.execute(text("INSERT INTO bulk VALUES (zeroblob(100000))"))


def test_a_file_that_became_read_only_says_so(file_engine: Engine) -> None:
    with file_engine.connect() as connection:
        connection.execute(text("CREATE TABLE bulk (data BLOB)"))
        connection.execute(text("PRAGMA query_only = ON"))

        with pytest.raises(DatabaseUnavailable, match="change their permissions"):
            connection.execute(text("INSERT INTO bulk VALUES (zeroblob(1))"))


def test_a_lock_that_is_never_released_says_so(file_engine: Engine, tmp_path: Path) -> None:
    with file_engine.connect() as connection:
        connection.execute(text("CREATE TABLE bulk (data BLOB)"))
        connection.execute(text("PRAGMA busy_timeout = 50"))
        hog = sqlite3.connect(tmp_path / "linewatch.db", isolation_level=None)
        hog.execute("BEGIN IMMEDIATE")

        with pytest.raises(DatabaseUnavailable, match="another process holds its write lock"):
            connection.execute(text("INSERT INTO bulk VALUES (zeroblob(1))"))
        hog.close()


def test_a_server_that_cuts_the_connection_is_unavailable_and_then_there_again(
    engine: Engine,
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("a file does not cut connections")
    killer = make_engine(engine.url)
    with Session(engine) as session, killer.connect() as other:
        mine = session.scalar(text("SELECT pg_backend_pid()"))
        other.execute(text(f"SELECT pg_terminate_backend({mine})"))

        with pytest.raises(DatabaseUnavailable, match="the server is stopping or starting"):
            session.execute(text("SELECT 1"))
    killer.dispose()

    check(engine)


def test_an_idle_connection_that_was_cut_is_replaced_silently(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("a file does not cut connections")
    killer = make_engine(engine.url)
    with engine.connect() as connection:
        mine = connection.scalar(text("SELECT pg_backend_pid()"))
    with killer.connect() as other:
        other.execute(text(f"SELECT pg_terminate_backend({mine})"))
    killer.dispose()

    check(engine)


def test_other_errors_stay_what_they_are(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises((OperationalError, ProgrammingError)):
        connection.execute(text("SELECT * FROM no_such_table"))
