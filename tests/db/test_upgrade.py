"""From the first migration to the newest with a plant's data in place, on both databases."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import MetaData, func, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db import inspections, migrate, revision
from db.access import Actor, trusted
from db.audit_chain import verify
from db.engine import make_engine
from db.lines import add_line, get_line, list_lines
from db.logins import authenticate
from db.model_versions import active_version
from db.passwords import hash_password
from db.reviews import add_review, undo
from db.tables import AuditEvent, Decision, Inspection, Review, ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

AT = datetime(2026, 3, 2, 6, tzinfo=UTC)
PARTS = 120
VERDICTS = ("PASS", "PASS", "REVIEW", "REJECT", "PASS", "UNINSPECTED")
DECISIONS = ("defect", "good", "unsure", "dismissed")
PASSWORD = "ein langes Wort für Anna"
MANIFEST = {"thresholds": {"review": 1.0, "reject": 2.0}, "ü": [1.5, None]}
#: Moved to another column by 0002.
MOVED = {"inspections": {"awaits_review"}}


def model(number: int, line: int) -> dict[str, Any]:
    return {
        "id": 10 * line + number, "line_id": line, "number": number, "detector": "patchcore",
        "backbone": "tf_efficientnet_lite0", "artifact_path": f"/models/{line}/{number}",
        "manifest_sha256": f"{number}" * 64, "manifest": MANIFEST, "review_threshold": 1.0,
        "reject_threshold": 2.0, "created_at": AT, "created_by": "anna",
        "retired_at": AT if number == 1 else None,
    }  # fmt: skip


def part(number: int, frame: Any) -> dict[str, Any]:
    line, verdict = 1 + number % 2, VERDICTS[number % len(VERDICTS)]
    is_judged = verdict != "UNINSPECTED"
    is_drawn = verdict == "PASS" and number % 4 == 0
    return {
        "id": number, "frame_id": frame, "line_id": line, "camera_id": line,
        "model_version_id": 10 * line + 2 if is_judged else None, "sequence": number,
        "part_id": f"p{number}", "captured_at": AT + timedelta(seconds=number),
        "recorded_at": AT + timedelta(seconds=number, microseconds=7), "verdict": verdict,
        "score": number / 7 if is_judged else None, "score_ms": 4.2 if is_judged else None,
        "reason": None if is_judged else "stream full",
        "awaits_review": verdict in ("REVIEW", "REJECT")
        and (not is_reviewed(number) or number == UNDONE),
        "audit_probability": 0.01 if is_drawn else None,
        "image_key": f"ab/{number}.png" if is_judged else None, "map_key": None,
    }  # fmt: skip


def is_reviewed(number: int) -> bool:
    return VERDICTS[number % len(VERDICTS)] in ("REVIEW", "REJECT") and number % 3 != 0


#: Its only review was taken back.
UNDONE = max(number for number in range(1, PARTS + 1) if is_reviewed(number))


def rows_of_0001(frame: Any) -> dict[str, list[dict[str, Any]]]:
    """A plant of the first release: by table, in an order that references allow."""
    lines = [
        {"id": n, "name": name, "description": "", "created_at": AT, "audit_rate": 0.01,
         "frames_waiting": n, "frames_pending": 0, "status_at": AT}
        for n, name in enumerate(("press", "oven"), start=1)
    ]  # fmt: skip
    cameras = [
        {"id": n, "line_id": n, "name": "top", "created_at": AT, "frames_pushed": 2**40,
         "frames_dropped": n, "frames_uninspected": 1}
        for n in (1, 2)
    ]  # fmt: skip
    parts = [part(number, frame(number)) for number in range(1, PARTS + 1)]
    reviews = [
        {"id": n, "inspection_id": one["id"], "reviewer": "anna", "decision": DECISIONS[n % 4],
         "defect_class": "dent" if n % 4 == 0 else None, "mask_key": None, "undoes_id": None,
         "created_at": AT + timedelta(hours=n)}
        for n, one in enumerate((one for one in parts if is_reviewed(one["id"])), start=1)
    ]  # fmt: skip
    undo = reviews[-1] | {"id": len(reviews) + 1, "decision": "undo", "defect_class": None}
    reviews.append(undo | {"undoes_id": len(reviews)})
    return {
        "lines": lines,
        "model_versions": [model(n, line) for line in (1, 2) for n in (1, 2)],
        "cameras": cameras,
        "inspections": parts,
        "quarantine": [
            {"id": n, "frame_key": f"press:{n}-0", "line_id": 1, "camera": "top", "deliveries": 5,
             "reason": "truncated", "detail": "é'\"", "image_key": None, "captured_at": None,
             "quarantined_at": AT}
            for n in (1, 2)
        ],
        "reviews": reviews,
        "users": [
            {"id": n, "name": name, "role": role, "created_at": AT, "disabled_at": None,
             "password_hash": hash_password(PASSWORD, name) if n == 1 else None}
            for n, (name, role) in enumerate((("anna", "admin"), ("ben", "operator")), start=1)
        ],
        "audit_events": [
            {"id": n, "at": AT + timedelta(minutes=n), "actor": "anna", "action": "line.added",
             "subject": "line:press", "details": {"n": n, "ü": [None, 0.1]}}
            for n in range(1, 30)
        ],
    }  # fmt: skip


@pytest.fixture
def released(empty_database_url: str) -> Iterator[Engine]:
    """A database as the first release left it, with rows in every table."""
    migrate.upgrade(empty_database_url, "0001")
    engine = make_engine(empty_database_url)
    base = MetaData()
    base.reflect(engine)
    as_hex = engine.dialect.name == "sqlite"  # which knows no such type
    rows = rows_of_0001(lambda n: UUID(int=n).hex if as_hex else UUID(int=n))
    with engine.begin() as connection:
        for name, some in rows.items():
            connection.execute(base.tables[name].insert(), some)
        active = base.tables["lines"].c
        for line in (1, 2):
            change = base.tables["lines"].update().where(active.id == line)
            connection.execute(change.values(active_model_version_id=10 * line + 2))
        if not as_hex:  # rows that came with their numbers do not move the counters
            for name in rows:
                connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), "  # noqa: S608
                    f"(SELECT max(id) FROM {name}))"
                )
    assert set(rows) == set(base.tables) - {"alembic_version"}, "every table has rows"
    yield engine
    engine.dispose()


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def contents(engine: Engine, like: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """All rows of all tables, or of the columns that another call found."""
    found = MetaData()
    found.reflect(engine)
    names = like or {
        name: [c.name for c in table.columns if c.name not in MOVED.get(name, ())]
        for name, table in found.tables.items()
        if name != "alembic_version"
    }
    with engine.connect() as connection:
        return {
            name: (columns, sorted(connection.execute(
                select(*(found.tables[name].c[column] for column in columns))
                .order_by(found.tables[name].c.id)
            ).all(), key=lambda row: str(row)))
            for name, columns in names.items()
        }  # fmt: skip


def test_nothing_is_lost_and_the_program_reads_and_writes_it(released: Engine) -> None:
    before = contents(released)

    migrate.upgrade(url_of(released))

    assert contents(released, {name: columns for name, (columns, _) in before.items()}) == before
    with Session(released) as session:
        check_read(session)
        check_written(session)
        told = verify(session)
        assert (told.events, told.problem) == (len(session.scalars(select(AuditEvent)).all()), None)
        assert told.events > 29
    check_guarded(released)


def check_read(session: Session) -> None:
    """The pages' questions have the answers that they had."""
    assert [line.name for line in list_lines(session)] == ["oven", "press"]
    version = active_version(session, "press")
    assert version is not None
    assert (version.number, version.manifest) == (2, MANIFEST)
    waiting = [n for n in range(1, PARTS + 1) if part(n, 0)["awaits_review"]]
    drawn = [n for n in range(1, PARTS + 1) if part(n, 0)["audit_probability"] is not None]
    for queue, numbers in ((ReviewQueue.FLAGGED, waiting), (ReviewQueue.AUDIT, drawn)):
        found = session.scalars(select(Inspection.id).where(Inspection.queue == queue.value))
        assert sorted(found) == numbers
    assert verify(session).events == 29


def check_written(session: Session) -> None:
    """What processes and people do goes on."""
    assert authenticate(session, "anna", PASSWORD).name == "anna"
    press = get_line(session, "press")
    people = {"id", "queue", "label", "defect_class"}
    names = [column.name for column in Inspection.__table__.c if column.name not in people]
    row = {name: getattr(session.get_one(Inspection, 3), name) for name in names}
    assert inspections.record(session, [row | {"frame_id": uuid4()}, row]) == 1
    review = add_review(session, 3, Decision.GOOD, reviewer=Actor("anna"))
    undo(session, review.id, reviewer=Actor("anna"))
    add_line(session, "saw", actor=trusted("anna"))
    session.commit()
    assert session.scalar(select(func.count(Inspection.id))) == PARTS + 1
    assert press.id == 1


def check_guarded(engine: Engine) -> None:
    """What only grows cannot be changed any more."""
    for statement in (
        "UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events",
        "UPDATE reviews SET decision = 'good'", "DELETE FROM reviews",
    ):  # fmt: skip
        with engine.connect() as connection, pytest.raises(DBAPIError, match="can only be added"):
            connection.exec_driver_sql(statement)


@pytest.mark.slow
def test_an_upgrade_that_is_killed_half_way_leaves_a_database_that_can_be_upgraded(
    released: Engine,
) -> None:
    before = contents(released)
    # In the middle of 0003, after all of 0002.
    code = (
        "import os, signal, sys; import db.audit_chain as c; from db.migrate import upgrade\n"
        "def link(*words): os.kill(os.getpid(), signal.SIGKILL)\n"
        "c.link = link; upgrade(sys.argv[1])"
    )
    killed = subprocess.run([sys.executable, "-c", code, url_of(released)], check=False)
    between = contents(released)
    tables = set(inspect(released).get_table_names())

    migrate.upgrade(url_of(released))

    assert killed.returncode == -9
    assert between == before
    assert tables == set(before) | {"alembic_version"}
    assert revision.current(released) == revision.head()
    with Session(released) as session:
        assert verify(session).problem is None
        assert session.scalar(select(func.count(Review.id))) == len(before["reviews"][1])
