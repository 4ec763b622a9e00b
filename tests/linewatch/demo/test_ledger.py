"""The demo's books."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from db.access import trusted
from db.inspections import record
from db.lines import add_line, get_or_add_camera
from linewatch.demo.ledger import Ledger, VerdictReader, VerdictRow
from models.datasets import Sample

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def part(name: str, defect: str = "good") -> Sample:
    return Sample(name, Path(name), defect, None, "test")


def row(
    frame_id: UUID, score: float | None = 1.0, verdict: str = "PASS", at: float = 0.0
) -> VerdictRow:
    return VerdictRow(1, frame_id, verdict, score, NOON, NOON + timedelta(seconds=at))


def sent(ledger: Ledger, *samples: Sample) -> list[UUID]:
    ids = [uuid4() for _ in samples]
    for frame_id, sample in zip(ids, samples, strict=True):
        ledger.enter(frame_id, sample)
        ledger.count_sent()
    return ids


def test_a_frame_is_lost_until_its_verdict_comes() -> None:
    ledger = Ledger()
    first, second = sent(ledger, part("a"), part("b"))

    ledger.settle([row(first)])
    assert (ledger.judged, ledger.lost, ledger.duplicates) == (1, 1, 0)

    ledger.settle([row(second)])
    assert (ledger.judged, ledger.lost, ledger.duplicates) == (2, 0, 0)


def test_a_second_verdict_for_a_frame_is_a_duplicate_and_makes_up_for_no_other() -> None:
    ledger = Ledger()
    first, _ = sent(ledger, part("a"), part("b"))

    ledger.settle([row(first), row(first)])

    assert (ledger.judged, ledger.lost, ledger.duplicates) == (1, 1, 1)


def test_an_uninspected_frame_has_a_verdict_but_no_score() -> None:
    ledger = Ledger()
    (frame,) = sent(ledger, part("a"))

    ledger.settle([row(frame, score=None, verdict="UNINSPECTED")])

    assert (ledger.judged, ledger.scored, ledger.lost) == (1, 0, 0)
    assert ledger.by_verdict == {"UNINSPECTED": 1}


def test_the_auroc_counts_each_part_once_by_its_latest_score() -> None:
    ledger = Ledger()
    good, crack, good_again = sent(ledger, part("a"), part("b", "crack"), part("a"))

    # At first the good part scored above the defective one, later below.
    ledger.settle([row(good, 5.0), row(crack, 3.0)])
    assert ledger.image_auroc == 0.0
    ledger.settle([row(good_again, 1.0)])
    assert ledger.image_auroc == 1.0


def test_without_a_defective_part_there_is_no_auroc() -> None:
    ledger = Ledger()
    assert ledger.image_auroc is None

    ledger.settle([row(frame) for frame in sent(ledger, part("a"))])
    assert ledger.image_auroc is None


def test_the_rate_is_from_the_first_capture_to_the_last_verdict() -> None:
    ledger = Ledger()
    first, second = sent(ledger, part("a"), part("b"))
    assert ledger.verdicts_per_s is None

    ledger.settle([row(second, at=4.0), row(first, at=1.0)])

    assert ledger.verdicts_per_s == pytest.approx(2 / 4)
    assert ledger.first_recorded_at == NOON + timedelta(seconds=1)


def test_only_what_came_after_the_start_is_read(session: Session) -> None:
    line = add_line(session, "demo-line", actor=trusted("test"))
    camera = get_or_add_camera(session, line.id, "left")

    def inspected(frame_id: UUID) -> None:
        record(
            session,
            [
                {
                    "frame_id": frame_id,
                    "line_id": line.id,
                    "camera_id": camera.id,
                    "model_version_id": None,
                    "sequence": 0,
                    "part_id": None,
                    "captured_at": NOON,
                    "recorded_at": NOON,
                    "score_ms": None,
                    "score": None,
                    "verdict": "UNINSPECTED",
                    "reason": "test",
                    "audit_probability": None,
                    "image_key": None,
                    "map_key": None,
                    "map_low": None,
                    "map_high": None,
                    "width_px": None,
                    "height_px": None,
                }
            ],
        )
        session.commit()

    inspected(uuid4())
    reader, ledger = VerdictReader(session, line.id), Ledger()
    (frame,) = sent(ledger, part("a"))
    inspected(frame)

    assert reader.read(session, ledger) == (1, False)
    assert reader.read(session, ledger) == (0, False)
    assert (ledger.judged, ledger.duplicates) == (1, 0)
    assert reader.quarantined(session) == 0
