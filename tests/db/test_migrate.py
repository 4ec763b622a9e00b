"""Migrations on both databases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, select, text
from sqlalchemy.orm import Session

from db import migrate, opinions, revision
from db.engine import check as check_connection
from db.engine import make_engine
from db.errors import DatabaseUnavailable, SchemaOutdated
from db.tables import Base, Inspection, Review

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine


@pytest.fixture
def own_engine(empty_database_url: str) -> Iterator[Engine]:
    made = make_engine(empty_database_url)
    yield made
    made.dispose()


@pytest.fixture
def migrated_url(empty_database_url: str) -> str:
    """A migrated database of the test's own, whose tables it may change."""
    migrate.upgrade(empty_database_url)
    return empty_database_url


def described(engine: Engine) -> dict[str, Any]:
    """All that the database says of its own tables, in an order that does not matter."""
    inspector = inspect(engine)
    tables = [t for t in inspector.get_table_names() if t != "alembic_version"]

    def words(value: Any) -> str:
        if isinstance(value, dict):
            return str(sorted((key, words(item)) for key, item in value.items()))
        return str(value)  # the types and conditions of SQLAlchemy compare by identity

    def ordered(items: Any) -> list[str]:
        return sorted(words(item) for item in items)

    return {
        table: {
            "columns": ordered(inspector.get_columns(table)),
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": ordered(inspector.get_foreign_keys(table)),
            "unique": ordered(inspector.get_unique_constraints(table)),
            "checks": ordered(inspector.get_check_constraints(table)),
            "indexes": ordered(inspector.get_indexes(table)),
        }
        for table in tables
    }


def test_migrations_make_exactly_what_the_tables_say(engine: Engine, own_engine: Engine) -> None:
    Base.metadata.create_all(own_engine)

    assert described(engine) == described(own_engine)
    assert len(described(engine)) == len(Base.metadata.tables) == 19


def test_alembic_finds_nothing_to_generate(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


def test_down_to_nothing_and_up_again_is_the_same_schema(
    migrated_url: str, own_engine: Engine
) -> None:
    before = described(own_engine)

    migrate.downgrade(migrated_url, "base")
    nothing = described(own_engine)
    migrate.upgrade(migrated_url)

    assert nothing == {}
    assert described(own_engine) == before
    assert revision.current(own_engine) == revision.head()


def test_upgrading_twice_changes_nothing(migrated_url: str, own_engine: Engine) -> None:
    before = described(own_engine)

    migrate.upgrade(migrated_url)

    assert described(own_engine) == before


def test_a_migrated_database_passes_the_check(engine: Engine) -> None:
    revision.check(engine)

    assert revision.current(engine) == revision.head() == "0003"


def test_an_empty_database_is_refused_with_what_to_run(own_engine: Engine) -> None:
    with pytest.raises(SchemaOutdated, match=r"has no tables yet: run `linewatch db upgrade`"):
        revision.check(own_engine)


def test_asking_after_a_file_that_is_missing_does_not_make_it(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/linewatch.db")

    check_connection(engine)
    with pytest.raises(SchemaOutdated, match="has no tables yet"):
        revision.check(engine)

    assert list(tmp_path.iterdir()) == []


def test_a_database_of_a_newer_program_is_refused(migrated_url: str, own_engine: Engine) -> None:
    with own_engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaOutdated, match=r"9999.*does not know.*upgrade linewatch"):
        revision.check(own_engine)
    with pytest.raises(SchemaOutdated, match="9999"):
        migrate.upgrade(migrated_url)


def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database_url: str, own_engine: Engine
) -> None:
    with own_engine.begin() as connection:
        connection.execute(text("CREATE TABLE reviews (id INTEGER)"))

    with pytest.raises(Exception, match="reviews"):
        migrate.upgrade(empty_database_url)

    assert inspect(own_engine).get_table_names() == ["reviews"]


@pytest.mark.slow
def test_two_upgrades_at_once_take_turns(empty_database_url: str, own_engine: Engine) -> None:
    code = "import sys; from db.migrate import upgrade; upgrade(sys.argv[1])"
    command = [sys.executable, "-c", code, empty_database_url]

    upgrades = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate(timeout=60)[1].decode() for process in upgrades]

    assert [process.returncode for process in upgrades] == [0, 0, 0], errors
    revision.check(own_engine)


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "missing"

    with pytest.raises(DatabaseUnavailable, match=r"there is no folder .*missing: create it"):
        migrate.upgrade(f"sqlite:///{folder}/linewatch.db")

    assert not folder.exists()


def test_rows_that_refer_to_nothing_stop_a_migration(tmp_path: Path) -> None:
    file = tmp_path / "broken.db"
    migrate.upgrade(f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:  # this connection does not enforce references
        connection.execute(
            "INSERT INTO cameras VALUES (1, 77, 'top', '2026-03-02 12:00:00', 0, 0, 0)"
        )
    connection.close()

    with pytest.raises(DatabaseUnavailable, match="1 rows of table 'cameras' refer to rows"):
        migrate.upgrade(f"sqlite:///{file}")


@pytest.fixture
def released(empty_database_url: str, own_engine: Engine) -> Engine:
    """A database as 0001 left it, with parts that were reviewed."""
    migrate.upgrade(empty_database_url, "0001")
    base = MetaData()
    base.reflect(own_engine)
    line, camera, inspections, reviews = (
        base.tables[name] for name in ("lines", "cameras", "inspections", "reviews")
    )
    at = datetime(2026, 3, 2, tzinfo=UTC)
    #: By part: each review's decision, the class, and the place of the review that it takes back.
    said = [
        [("defect", "dent", None)],
        [("good", None, None), ("defect", "stain", None)],
        [("good", None, None), ("defect", "dent", None), ("undo", None, 1)],
        [("good", None, None), ("undo", None, 0)],
        [("dismissed", None, None)],
        [],
    ]
    with own_engine.begin() as connection:
        connection.execute(
            line.insert(), {"id": 1, "name": "a", "description": "", "created_at": at,
                            "audit_rate": 0.01, "frames_waiting": 0, "frames_pending": 0},
        )  # fmt: skip
        counts = {"frames_pushed": 0, "frames_dropped": 0, "frames_uninspected": 0}
        connection.execute(
            camera.insert(), {"id": 7, "line_id": 1, "name": "top", "created_at": at, **counts}
        )
        number = 0
        for part, words in enumerate(said, start=1):
            frame: UUID | str = UUID(int=part)
            if own_engine.dialect.name == "sqlite":  # which knows no such type
                frame = UUID(int=part).hex
            row = {
                "id": part, "frame_id": frame, "line_id": 1, "camera_id": 7,
                "sequence": part, "captured_at": at, "recorded_at": at, "verdict": "REJECT",
                "awaits_review": not words or words[-1][2] == 0,
            }  # fmt: skip
            connection.execute(inspections.insert(), row)
            first = number + 1
            for decision, defect_class, undone in words:
                number += 1
                row = {
                    "id": number, "inspection_id": part, "reviewer": "ana", "decision": decision,
                    "defect_class": defect_class, "created_at": at,
                    "undoes_id": None if undone is None else first + undone,
                }  # fmt: skip
                connection.execute(reviews.insert(), row)
    return own_engine


def test_what_was_reviewed_before_keeps_its_word_and_its_camera(released: Engine) -> None:
    migrate.upgrade(released.url.render_as_string(hide_password=False))

    with Session(released) as session:
        found = session.scalars(select(Inspection).order_by(Inspection.id)).all()
        labels = [(one.label, one.defect_class) for one in found]
        words = [opinions.confirmed(session, one.id) for one in found]
        cameras = set(session.scalars(select(Review.camera_id)))
    assert labels == [
        ("defect", "dent"), ("defect", "stain"), ("good", None), (None, None), (None, None),
        (None, None),
    ]  # fmt: skip
    assert labels == [(w.label.value, w.defect_class) if w else (None, None) for w in words]
    assert cameras == {7}


def test_revisions_are_those_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", "db:migrations")
    scripts = ScriptDirectory.from_config(config)

    found = [script.revision for script in scripts.walk_revisions()]

    assert found == revision.revisions()[::-1]


def test_looking_at_the_revision_loads_no_alembic() -> None:
    code = "import sys, db.revision; sys.exit('alembic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
