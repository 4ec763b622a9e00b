"""`linewatch audit verify`."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.linewatch.conftest import Outcome


@pytest.fixture
def database(linewatch: Callable[..., Outcome], tmp_path: Path) -> Path:
    """A database with two events."""
    file = tmp_path / "user" / ".linewatch" / "linewatch.db"
    file.parent.mkdir(parents=True)
    linewatch("db", "upgrade")
    for name in ("press", "oven"):
        linewatch("line", "add", name)
    return file


def test_a_whole_trail_is_confirmed_with_a_line_to_keep(
    linewatch: Callable[..., Outcome], database: Path, tmp_path: Path
) -> None:
    first = linewatch("audit", "verify", "--json", tmp_path / "figures.json")
    linewatch("line", "add", "saw")

    again = linewatch("audit", "verify", "--expect", first.out.strip())

    assert first.code == again.code == 0
    assert first.out.startswith("2:")
    assert "the audit trail is whole: 3 events" in again.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == {"events": 2, "hash": first.out.strip()[2:], "problem": None}


def test_a_changed_event_is_named(linewatch: Callable[..., Outcome], database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TRIGGER audit_events_no_update")
        connection.execute("UPDATE audit_events SET actor = 'nobody' WHERE position = 2")

    outcome = linewatch("audit", "verify")

    assert outcome.code == 1
    assert outcome.err.strip() == (
        "the audit trail is broken: event 2 (line.added of line:oven) was changed, or put in"
    )


def test_what_is_expected_must_be_what_it_printed(
    linewatch: Callable[..., Outcome], database: Path
) -> None:
    outcome = linewatch("audit", "verify", "--expect", "yesterday's")

    assert outcome.code == 2
    assert "is not EVENTS:HASH" in outcome.err
    assert outcome.err.count("\n") == 1
