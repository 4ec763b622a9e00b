"""Inspections: written once each, however often and by however many; counted by hand."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from db import inspections
from db.errors import NotFound
from db.inspections import VerdictCounts
from db.tables import Inspection, ModelVersion, Verdict, utc_now
from tests.db.conftest import plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from conftest import Plant, RowMaker
    from sqlalchemy.engine import Engine


@pytest.fixture
def noon(make_row: RowMaker) -> datetime:
    return make_row()["recorded_at"]


def stored(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Inspection)) or 0


def test_a_batch_is_stored_as_it_was_given(session: Session, make_row: RowMaker) -> None:
    row = make_row(verdict="REJECT", score=2.75, part_id="P-7", image_key="k", map_low=0.5)

    count = inspections.record(session, [row])
    session.commit()

    assert count == 1
    found = session.scalars(select(Inspection)).one()
    assert {name: getattr(found, name) for name in row} == row
    assert isinstance(found.frame_id, UUID)


def test_no_rows_are_no_work(session: Session) -> None:
    assert inspections.record(session, []) == 0


def test_a_row_that_is_there_stays_as_it_is(session: Session, make_row: RowMaker) -> None:
    row = make_row(score=0.25)
    inspections.record(session, [row])
    session.commit()

    count = inspections.record(session, [{**row, "score": 9.0}, make_row(), {**row, "sequence": 5}])
    session.commit()

    assert count == 1  # the one new frame
    assert stored(session) == 2
    kept = select(Inspection.score).where(Inspection.frame_id == row["frame_id"])
    assert session.scalar(kept) == 0.25


def test_an_uninspected_frame_is_stored_once_though_it_has_no_model(
    session: Session, make_row: RowMaker
) -> None:
    row = make_row(verdict="UNINSPECTED")

    counts = [inspections.record(session, [row]) for _ in range(2)]

    assert counts == [1, 0]
    assert stored(session) == 1


def test_two_model_versions_may_judge_the_same_frame(
    session: Session, make_row: RowMaker, add_plant: Callable[..., Plant]
) -> None:
    row = make_row()

    count = inspections.record(
        session, [row, {**row, "model_version_id": add_plant("mill").version_id}]
    )

    assert count == 2


def test_only_flagged_frames_await_review(session: Session, make_row: RowMaker) -> None:
    inspections.record(session, [make_row(verdict=verdict.value) for verdict in Verdict])

    query = select(Inspection.verdict).where(Inspection.queue == "flagged")

    assert sorted(session.scalars(query)) == ["REJECT", "REVIEW"]


def test_numpy_scores_are_stored_as_numbers(session: Session, make_row: RowMaker) -> None:
    inspections.record(session, [make_row(score=np.float32(0.5), map_low=np.float64(0.25))])

    # SQLite would hand back the bytes of a numpy scalar, and sums of them would be 0.
    assert session.execute(text("SELECT sum(score), sum(map_low) FROM inspections")).one() == (
        0.5,
        0.25,
    )


def test_a_score_that_is_no_number_is_refused(session: Session, make_row: RowMaker) -> None:
    with pytest.raises(StatementError, match="NaN cannot be stored"):
        inspections.record(session, [make_row(score=float("nan"))])


def test_a_time_without_zone_is_refused(session: Session, make_row: RowMaker) -> None:
    naive = make_row()["captured_at"].replace(tzinfo=None)

    with pytest.raises(StatementError, match="has no time zone"):
        inspections.record(session, [make_row(captured_at=naive)])


def test_an_unknown_verdict_is_refused(session: Session, make_row: RowMaker) -> None:
    with pytest.raises(IntegrityError, match="ck_inspections_verdict"):
        inspections.record(session, [make_row(verdict="MAYBE")])


def test_overlapping_batches_of_two_workers_neither_deadlock_nor_double(
    engine: Engine, session: Session, make_row: RowMaker
) -> None:
    rows = [make_row() for _ in range(60)]

    def write(order: list[dict[str, Any]]) -> int:
        with Session(engine) as own, own.begin():
            return inspections.record(own, order)

    with ThreadPoolExecutor(4) as workers:
        counts = list(workers.map(write, [rows, rows[::-1], rows[30:] + rows[:30], rows[::-1]]))

    assert sum(counts) == 60
    assert stored(session) == 60


WRITER = """
import sys
from datetime import UTC, datetime
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7
from db import inspections, lines
from db.engine import make_engine

url, line_id, version_id, camera_id = sys.argv[1], *map(int, sys.argv[2:])
engine = make_engine(url)
for batch in range(15):
    now = datetime.now(UTC)
    row = dict(line_id=line_id, camera_id=camera_id, model_version_id=version_id, part_id=None,
               captured_at=now, recorded_at=now, score_ms=1.0, score=0.5, verdict="PASS",
               reason=None, audit_probability=None, image_key=None, map_key=None, map_low=None,
               map_high=None, width_px=64, height_px=64)
    with Session(engine) as session, session.begin():
        lines.get_line(session, "press")  # reads first, as the workers do
        count = inspections.record(
            session, [{**row, "frame_id": uuid7(), "sequence": n} for n in range(64)]
        )
        assert count == 64, count
    with Session(engine) as session, session.begin():
        lines.record_stream_status(
            session, line_id, waiting=batch, pending=0, cameras={"left": (batch, 0, 0)}
        )
"""


@pytest.mark.slow
def test_four_processes_that_write_at_once_lose_nothing(
    database_url: str, session: Session, plant: Plant
) -> None:
    session.commit()
    ids = [plant.line_id, plant.version_id, plant.cameras["left"]]
    command = [sys.executable, "-c", WRITER, database_url, *map(str, ids)]

    writers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    errors = [writer.communicate(timeout=120)[1].decode() for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * 4, errors
    assert stored(session) == 4 * 15 * 64
    assert session.scalar(select(func.count(Inspection.frame_id.distinct()))) == 4 * 15 * 64


def test_one_inspection_is_shown_with_its_camera_and_thresholds(
    session: Session, make_row: RowMaker
) -> None:
    inspections.record(session, [make_row("right", "REJECT", score=2.5, map_key="m")])
    only = session.scalars(select(Inspection.id)).one()

    view = inspections.get(session, only)

    assert (view.camera, view.verdict, view.score) == ("right", Verdict.REJECT, 2.5)
    assert (view.model_number, view.review_threshold, view.reject_threshold) == (1, 1.0, 2.0)
    assert (view.map_review, view.map_reject) == (0.5, 1.5)
    assert (view.map_key, view.queue) == ("m", "flagged")
    with pytest.raises(NotFound, match=f"no inspection {only + 1}"):
        inspections.get(session, only + 1)


def test_maps_of_a_model_of_the_first_format_are_coloured_by_its_thresholds(
    session: Session, make_row: RowMaker
) -> None:
    version = session.scalars(select(ModelVersion)).one()
    version.manifest = {k: v for k, v in version.manifest.items() if k != "map_thresholds"}
    inspections.record(session, [make_row("right", "REJECT", score=2.5, map_key="m")])

    view = inspections.get(session, session.scalars(select(Inspection.id)).one())

    assert (view.map_review, view.map_reject) == (1.0, 2.0)


def test_an_uninspected_frame_is_shown_without_model(session: Session, make_row: RowMaker) -> None:
    inspections.record(session, [make_row(verdict="UNINSPECTED", reason="stream full")])

    view = inspections.get(session, session.scalars(select(Inspection.id)).one())

    assert (view.verdict, view.reason) == (Verdict.UNINSPECTED, "stream full")
    assert (view.model_number, view.review_threshold, view.score) == (None, None, None)


def test_the_latest_frames_of_each_camera_come_newest_first(
    session: Session, plant: Plant, make_row: RowMaker, noon: datetime
) -> None:
    def at(camera: str, recorded_s: int, captured_s: int, sequence: int) -> dict[str, Any]:
        return make_row(
            camera,
            recorded_at=noon + timedelta(seconds=recorded_s),
            captured_at=noon + timedelta(seconds=captured_s),
            sequence=sequence,
        )

    # Frames 2 and 3 were committed in one batch: the later captured one is the newer.
    batch = [at("left", 1, 0, 1), at("left", 5, 3, 3), at("left", 5, 2, 2), at("right", 2, 1, 9)]
    inspections.record(session, batch)

    latest = inspections.latest_by_camera(session, plant.line_id, limit=2)

    assert {name: [v.sequence for v in views] for name, views in latest.items()} == {
        "left": [3, 2],
        "right": [9],
    }


def test_of_a_fast_camera_the_frames_whose_picture_was_kept_are_shown(
    session: Session, plant: Plant, make_row: RowMaker, noon: datetime
) -> None:
    kept = {3: "ab/" + "ab" * 32 + ".png", 7: "cd/" + "cd" * 32 + ".png"}
    rows = [
        make_row(
            "left",
            recorded_at=noon + timedelta(seconds=i),
            sequence=i,
            verdict="PASS",
            image_key=kept.get(i),
        )
        for i in range(10)
    ]
    inspections.record(session, rows)

    latest = inspections.latest_by_camera(session, plant.line_id, limit=3)

    assert [view.sequence for view in latest["left"]] == [7, 3]


def test_where_no_picture_was_kept_the_newest_frames_are_shown_without(
    session: Session, plant: Plant, make_row: RowMaker, noon: datetime
) -> None:
    rows = [
        make_row("left", recorded_at=noon + timedelta(seconds=i), sequence=i, image_key=None)
        for i in range(5)
    ]
    inspections.record(session, rows)

    latest = inspections.latest_by_camera(session, plant.line_id, limit=2)

    assert [view.sequence for view in latest["left"]] == [4, 3]


def test_a_camera_without_frames_is_shown_empty(
    session: Session, add_plant: Callable[..., Plant]
) -> None:
    plant = add_plant(cameras=["top"])

    assert inspections.latest_by_camera(session, plant.line_id) == {"top": []}
    assert inspections.counts_by_camera(session, plant.line_id, utc_now()) == {
        "top": VerdictCounts()
    }


def test_verdicts_are_counted_by_camera_since_a_time(
    session: Session, plant: Plant, make_row: RowMaker, noon: datetime
) -> None:
    early = noon - timedelta(seconds=1)
    verdicts = ["PASS", "PASS", "PASS", "REVIEW", "REJECT", "UNINSPECTED"]
    rows = [make_row("left", verdict) for verdict in verdicts]
    rows += [make_row("right"), make_row("right", recorded_at=early)]
    inspections.record(session, rows)

    counts = inspections.counts_by_camera(session, plant.line_id, noon)

    assert counts == {"left": VerdictCounts(3, 1, 1, 1), "right": VerdictCounts(1, 0, 0, 0)}
    line = inspections.sum_counts(counts)
    assert line == VerdictCounts(4, 1, 1, 1)
    assert line.inspected == 6
    assert line.yield_share == pytest.approx(4 / 6)  # the uninspected one counts apart


def test_there_is_no_yield_where_nothing_was_inspected() -> None:
    assert VerdictCounts(uninspected=3).yield_share is None


def test_the_rate_is_that_of_the_window(
    session: Session, plant: Plant, make_row: RowMaker, noon: datetime
) -> None:
    rows = [make_row(recorded_at=noon - timedelta(seconds=s)) for s in range(90)]
    inspections.record(session, rows)

    rates = inspections.rate_by_camera(session, plant.line_id, window_s=30, now=noon)

    # At 0, 1, ... 30 seconds before noon: 31 frames.
    assert rates == {"left": pytest.approx(31 / 30), "right": 0.0}


def test_the_live_page_reads_the_index_and_sorts_no_more_than_a_batch(
    session: Session, plant: Plant, statements: list[tuple[str, Any]]
) -> None:
    inspections.latest_by_camera(session, plant.line_id)
    latest = plan(session, *statements[-1])
    inspections.counts_by_camera(session, plant.line_id, utc_now())
    counts = plan(session, *statements[-1])

    index = "INDEX ix_inspections_camera_id_recorded_at_verdict (camera_id=?"
    assert f"USING {index})" in latest
    assert "USE TEMP B-TREE FOR ORDER BY" not in latest
    assert f"USING COVERING {index} AND recorded_at>?)" in counts
    assert "TEMP B-TREE" not in counts
