"""Frames in quarantine: one row each, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db import quarantine

if TYPE_CHECKING:
    from conftest import Plant
    from sqlalchemy.orm import Session


def put(session: Session, plant: Plant, key: str, **changes: Any) -> bool:
    facts: dict[str, Any] = {
        "line_id": plant.line_id,
        "camera": "left",
        "reason": "truncated",
        "detail": "the image ends after 17 of 40 rows",
        "deliveries": 1,
        "image_key": None,
        "captured_at": None,
    }
    return quarantine.record(session, frame_key=key, **{**facts, **changes})


def test_a_frame_is_quarantined_once(session: Session, plant: Plant) -> None:
    added = [put(session, plant, "a"), put(session, plant, "a", reason="too_large")]

    (frame,) = quarantine.list_frames(session, plant.line_id)
    assert added == [True, False]
    assert (frame.frame_key, frame.reason, frame.camera) == ("a", "truncated", "left")


def test_texts_of_damaged_frames_are_made_storable(session: Session, plant: Plant) -> None:
    put(session, plant, "a", detail="NUL \x00, surrogate \udcff", camera="c" * 99)
    put(session, plant, "b", detail="x" * 10_000)
    session.commit()

    second, first = quarantine.list_frames(session, plant.line_id)
    assert first.detail == "NUL \ufffd, surrogate ?"
    assert first.camera == "c" * 64
    assert len(second.detail) == 4_000


def test_frames_are_listed_newest_first_in_pages(session: Session, plant: Plant) -> None:
    for key in "abcde":
        put(session, plant, key)

    first = quarantine.list_frames(session, plant.line_id, limit=2)
    rest = quarantine.list_frames(session, plant.line_id, before_id=first[-1].id)

    assert [frame.frame_key for frame in first + rest] == ["e", "d", "c", "b", "a"]


def test_frames_are_counted_by_reason(session: Session, plant: Plant) -> None:
    for key, reason in zip("abc", ["truncated", "empty", "truncated"], strict=True):
        put(session, plant, key, reason=reason)

    assert quarantine.count_by_reason(session, plant.line_id) == {"empty": 1, "truncated": 2}
    assert quarantine.count_by_reason(session, plant.line_id + 1) == {}
