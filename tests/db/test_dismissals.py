"""Bulk dismissal: many at once, recorded as dismissed, never as reviewed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from db import audit, dismissals, inspections, review_claims, reviews
from db.access import Actor, trusted
from db.dismissals import dismiss
from db.errors import Forbidden
from db.review_queue import Wanted, count_open
from db.tables import Decision, Inspection, Review

if TYPE_CHECKING:
    from conftest import Plant, RowMaker
    from sqlalchemy.orm import Session

#: Of the frames, as the conftest has it.
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ANNA = trusted("anna")


@pytest.fixture
def ids(session: Session, make_row: RowMaker) -> list[int]:
    """Seven flagged frames: four of the left camera, then three of the right."""
    for number in range(7):
        camera = "left" if number < 4 else "right"
        row = make_row(camera, "REJECT", score=2.0 + number)
        inspections.record(session, [row])
    session.commit()
    return list(session.scalars(select(Inspection.id).order_by(Inspection.id)))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dismissals, "CHUNK", 2)


def test_a_filtered_queue_is_dismissed_in_chunks_with_one_audit_event(
    session: Session, plant: Plant, ids: list[int]
) -> None:
    wanted = Wanted((plant.line_id,), score_to=6.5)

    assert dismiss(session, wanted, reviewer=ANNA) == 5
    session.commit()

    assert count_open(session, Wanted((plant.line_id,))) == 2
    rows = session.scalars(select(Review).order_by(Review.inspection_id)).all()
    assert [(r.inspection_id, r.reviewer, r.decision, r.queue) for r in rows] == [
        (each, "anna", "dismissed", "flagged") for each in ids[:5]
    ]
    (event,) = audit.list_events(session, limit=1)
    assert (event.actor, event.action, event.subject) == (
        "anna",
        "reviews.dismissed",
        "queue:flagged",
    )
    assert event.details == {"count": 5, "lines": ["press"], "filters": {"score_to": 6.5}}


def test_dismissed_is_not_reviewed_and_one_by_one_can_be_taken_back(
    session: Session, plant: Plant, ids: list[int]
) -> None:
    dismiss(session, Wanted((plant.line_id,)), reviewer=ANNA)

    assert session.scalars(select(Review.decision)).all() == 7 * [Decision.DISMISSED.value]
    cameras = select(Inspection.camera_id).where(Inspection.id == Review.inspection_id)
    is_its = select(Review.camera_id == cameras.scalar_subquery())
    assert session.scalars(is_its.distinct()).all() == [True]
    assert all(reviews.confirmed(session, each) is None for each in ids)
    last = reviews.current_review(session, ids[-1])
    assert last is not None
    reviews.undo(session, last.id, reviewer=ANNA)
    assert count_open(session, Wanted((plant.line_id,))) == 1


def test_what_came_later_or_is_on_show_elsewhere_stays(
    session: Session, plant: Plant, ids: list[int]
) -> None:
    review_claims.claim(session, "other window", [ids[1]])
    wanted = Wanted((plant.line_id,), camera_id=plant.cameras["left"], holder="mine")

    assert dismiss(session, wanted, reviewer=ANNA, up_to=ids[2]) == 2

    waiting = session.scalars(select(Inspection.id).where(Inspection.queue.is_not(None)))
    assert sorted(waiting) == [ids[1], *ids[3:]]


def test_nothing_to_dismiss_leaves_no_trace(session: Session, plant: Plant) -> None:
    before = len(audit.list_events(session))

    assert dismiss(session, Wanted((plant.line_id,)), reviewer=ANNA) == 0

    assert len(audit.list_events(session)) == before


def test_dismissing_is_for_users(session: Session, plant: Plant, ids: list[int]) -> None:
    with pytest.raises(Forbidden, match="no user 'mallory'"):
        dismiss(session, Wanted((plant.line_id,)), reviewer=Actor("mallory"))

    assert count_open(session, Wanted((plant.line_id,))) == 7
