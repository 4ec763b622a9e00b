"""Which pictures may go, and that no other row loses its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from uuid_utils.compat import uuid7

from db import inspections, quarantine, reviews, samples
from db.access import trusted
from db.retention import let_go_of_pass_frames, let_go_of_quarantine
from db.tables import (
    UNASKED_PICTURE,
    Decision,
    Inspection,
    QuarantinedFrame,
    SampleLabel,
    SampleSource,
    utc_now,
)

if TYPE_CHECKING:
    from conftest import Plant, RowMaker
    from sqlalchemy.orm import Session

ANNA = trusted("anna")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
Add = Callable[..., Inspection]


def key(letter: str) -> str:
    return f"{letter * 2}/{letter * 64}.png"


@pytest.fixture
def add(session: Session, make_row: RowMaker) -> Add:
    """Adds a PASS frame whose picture and map were kept, unless told."""

    def make(
        verdict: str = "PASS", image: str = "a", map_: str = "b", **changes: Any
    ) -> Inspection:
        row = make_row(verdict=verdict, **changes)
        row |= {"image_key": key(image), "map_key": key(map_), "map_low": 0.0, "map_high": 1.0}
        inspections.record(session, [row])
        session.commit()
        query = select(Inspection).where(Inspection.frame_id == row["frame_id"])
        return session.scalars(query).one()

    return make


def test_a_pass_frame_that_nobody_was_asked_about_forgets_picture_and_map(
    session: Session, add: Add
) -> None:
    row = add()

    gone = let_go_of_pass_frames(session, before=LATER, limit=10)
    session.commit()

    assert (gone.rows, gone.keys) == (1, [key("a"), key("b")])
    assert (row.image_key, row.map_key, row.map_low, row.map_high) == (None, None, None, None)
    assert (row.verdict, row.score) == ("PASS", 0.5)
    assert let_go_of_pass_frames(session, before=LATER, limit=10).rows == 0


def test_flagged_drawn_reviewed_and_sampled_frames_keep_theirs(
    session: Session, add: Add, plant: Plant
) -> None:
    add("REVIEW")
    add("REJECT")
    add(audit_probability=0.01)
    undone = add()
    review = reviews.add_review(session, undone.id, Decision.GOOD, reviewer=ANNA)
    reviews.undo(session, review.id, reviewer=ANNA)
    sampled = add()
    samples.add(
        session,
        line_id=plant.line_id,
        frame_id=sampled.frame_id,
        source=SampleSource.TEACHING,
        label=SampleLabel.GOOD,
        image_key=key("a"),
    )
    session.commit()

    gone = let_go_of_pass_frames(session, before=None, limit=10)

    assert (gone.rows, gone.keys) == (0, [])
    assert None not in session.scalars(select(Inspection.image_key)).all()


def test_the_oldest_go_first_and_young_ones_stay(session: Session, add: Add) -> None:
    rows = [add(image=letter, recorded_at=NOON + timedelta(hours=n)) for n, letter in
            ((2, "d"), (0, "c"), (1, "e"))]  # fmt: skip

    assert let_go_of_pass_frames(session, before=NOON, limit=10).rows == 0
    gone = let_go_of_pass_frames(session, before=NOON + timedelta(hours=2), limit=1)

    assert gone.keys == [key("c")]  # the others share its map
    gone = let_go_of_pass_frames(session, before=NOON + timedelta(hours=2), limit=5)
    assert gone.keys == [key("e")]
    assert [row.image_key for row in rows] == [key("d"), None, None]


@pytest.mark.parametrize("holder", ["inspection", "map", "sample", "mask", "review", "quarantine"])
def test_bytes_that_any_other_row_names_are_kept(
    session: Session, add: Add, plant: Plant, holder: str
) -> None:
    add(image="a", map_="b")
    if holder == "inspection":
        add("REJECT", image="a", map_="c")
    elif holder == "map":
        add("REJECT", image="c", map_="a")
    elif holder in ("sample", "mask"):
        samples.add(
            session,
            line_id=plant.line_id,
            frame_id=uuid7(),
            source=SampleSource.IMPORT,
            label=SampleLabel.DEFECT,
            image_key=key("a" if holder == "sample" else "c"),
            mask_key=key("a") if holder == "mask" else None,
        )
    elif holder == "review":
        other = add("REJECT", image="c", map_="d")
        reviews.add_review(session, other.id, Decision.DEFECT, reviewer=ANNA, mask_key=key("a"))
    else:
        put_in_quarantine(session, plant, "a")
    session.commit()

    gone = let_go_of_pass_frames(session, before=LATER, limit=10)

    assert (gone.rows, gone.keys) == (1, [key("b")])


def put_in_quarantine(session: Session, plant: Plant, letter: str, days: int = 0) -> None:
    frame = str(uuid7())
    quarantine.record(
        session,
        frame_key=frame,
        line_id=plant.line_id,
        camera="left",
        reason="truncated",
        detail="cut off",
        deliveries=1,
        image_key=key(letter),
        captured_at=None,
    )
    row = session.scalars(select(QuarantinedFrame).filter_by(frame_key=frame)).one()
    row.quarantined_at = utc_now() - timedelta(days=days)
    session.commit()


def test_the_quarantine_has_an_age_limit_of_its_own(session: Session, plant: Plant) -> None:
    put_in_quarantine(session, plant, "a", days=100)
    put_in_quarantine(session, plant, "b", days=10)
    put_in_quarantine(session, plant, "c", days=100)
    put_in_quarantine(session, plant, "c", days=1)

    gone = let_go_of_quarantine(session, before=utc_now() - timedelta(days=90), limit=10)

    assert (gone.rows, gone.keys) == (2, [key("a")])  # a younger row still names the third's bytes
    left = session.scalars(select(QuarantinedFrame.image_key).order_by(QuarantinedFrame.id)).all()
    assert left == [None, key("b"), None, key("c")]


def test_the_oldest_are_found_by_an_index(session: Session, plant: Plant) -> None:
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads a table this small as a whole")
    oldest = (
        select(Inspection.id)
        .where(text(UNASKED_PICTURE), Inspection.recorded_at < NOON)
        .order_by(Inspection.recorded_at)
        .limit(10)
    )
    sql = oldest.compile(session.get_bind(), compile_kwargs={"literal_binds": True})

    plan = str(session.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all())

    assert "ix_inspections_recorded_at_unasked_picture" in plan
    assert "TEMP B-TREE" not in plan
