"""Frames of a line that is being taught."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import teachings
from db.access import trusted
from db.errors import StoreError
from db.lines import get_line
from db.tables import Inspection, QuarantinedFrame, Sample, Teaching
from ingest.stream import FrameStream
from tests.workers.conftest import push
from workers.drain import Drain
from workers.jobs import score_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.frame import Frame
    from workers.context import WorkerContext

TEST = trusted("test")


@pytest.fixture
def teach(context: WorkerContext) -> Callable[..., int]:
    """Starts a teaching of `line-4`; returns its id."""

    def start(frames: int = 12, camera: str | None = None) -> int:
        with Session(context.engine) as session, session.begin():
            line = get_line(session, "line-4")
            return teachings.start_teaching(
                session, line, frames=frames, camera=camera, detector="patchcore", actor=TEST
            ).id

    return start


def samples(context: WorkerContext) -> list[Sample]:
    with Session(context.engine) as session:
        return list(session.scalars(select(Sample).order_by(Sample.id)))


def inspections(context: WorkerContext) -> list[Inspection]:
    with Session(context.engine) as session:
        return list(session.scalars(select(Inspection).order_by(Inspection.sequence)))


def test_a_line_without_a_model_gives_its_frames_and_says_that_they_were_not_inspected(
    context: WorkerContext,
    stream: FrameStream,
    teach: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    teaching_id = teach(12)
    frames = [make_frame(0.2, i, part_id=f"P{i}", lot_id="L1") for i in range(6)]
    push(stream, frames)

    assert Drain(context, "line-4").run() == 6

    kept = samples(context)
    assert {one.frame_id for one in kept} == {frame.frame_id for frame in frames}
    assert {(one.source, one.label, one.teaching_id) for one in kept} == {
        ("teaching", "good", teaching_id)
    }
    assert {one.lot_id for one in kept} == {"L1"}
    assert context.store.get(kept[0].image_key) == frames[0].image
    rows = inspections(context)
    assert {(row.verdict, row.reason) for row in rows} == {
        ("UNINSPECTED", "collected to teach the line")
    }
    assert [row.part_id for row in rows] == [f"P{i}" for i in range(6)]
    status = stream.status()
    assert status.waiting == status.pending == 0


def test_frames_beyond_those_wanted_stay_for_the_model_to_come(
    context: WorkerContext,
    stream: FrameStream,
    teach: Callable[..., int],
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    teaching_id = teach(12)
    push(stream, [make_frame(0.2, i) for i in range(17)])

    Drain(context, "line-4").run()

    assert len(samples(context)) == len(inspections(context)) == 12
    status = stream.status()
    assert status.waiting + status.pending == 5
    with Session(context.engine) as session:
        assert session.get_one(Teaching, teaching_id).state == "looking_over"

    activate_version()
    Drain(context, "line-4").run()

    verdicts = [row.verdict for row in inspections(context)]
    assert sorted(verdicts) == ["PASS"] * 5 + ["UNINSPECTED"] * 12
    assert stream.status().pending == 0


def test_other_cameras_of_such_a_line_are_not_kept_waiting(
    context: WorkerContext,
    stream: FrameStream,
    teach: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    teach(12, camera="top")
    push(stream, [make_frame(0.2, 0), make_frame(0.2, 1, camera="side")])

    Drain(context, "line-4").run()

    assert len(samples(context)) == 1
    assert [row.reason for row in inspections(context)] == [
        "collected to teach the line",
        "the line is being taught from another camera, and has no model yet",
    ]


def test_bad_pictures_go_to_quarantine_and_notices_are_told(
    context: WorkerContext,
    stream: FrameStream,
    teach: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    from dataclasses import replace

    teach(12)
    broken = make_frame(image=b"\x89PNG\r\n\x1a\n and no more")
    notice = replace(make_frame(image=b""), uninspected="stream full for 5 s")
    push(stream, [broken, notice, make_frame(0.2, 2)])

    Drain(context, "line-4").run()

    assert len(samples(context)) == 1
    assert sorted(str(row.reason) for row in inspections(context)) == [
        "collected to teach the line",
        "stream full for 5 s",
    ]
    with Session(context.engine) as session:
        [row] = session.scalars(select(QuarantinedFrame))
    assert row.frame_key == str(broken.frame_id)


def test_a_line_with_a_model_is_inspected_as_ever_and_gives_its_frames_besides(
    context: WorkerContext,
    stream: FrameStream,
    teach: Callable[..., int],
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    teach(12, camera="top")
    push(stream, [make_frame(0.2, 0), make_frame(0.9, 1), make_frame(0.2, 2, camera="side")])

    Drain(context, "line-4").run()

    rows = inspections(context)
    assert [row.verdict for row in rows] == ["PASS", "REJECT", "PASS"]
    assert [one.inspection_id for one in samples(context)] == [rows[0].id, rows[1].id]


def test_a_store_that_fails_costs_a_line_with_a_model_no_verdict(
    context: WorkerContext,
    stream: FrameStream,
    teach: Callable[..., int],
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    activate_version()
    teach(12)
    push(stream, [make_frame(0.2, 0)])
    monkeypatch.setattr(context.store, "put", fail)

    Drain(context, "line-4").run()

    assert [row.verdict for row in inspections(context)] == ["PASS"]
    assert samples(context) == []


def test_a_store_that_fails_leaves_a_first_frame_in_the_stream(
    context: WorkerContext,
    stream: FrameStream,
    teach: Callable[..., int],
    make_frame: Callable[..., Frame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teach(12)
    push(stream, [make_frame(0.2, 0)])
    with monkeypatch.context() as patch:
        patch.setattr(context.store, "put", fail)
        for _ in range(context.config.max_deliveries + 2):
            assert score_line("line-4") == 0  # said in one line, and no failed job

    assert inspections(context) == []
    Drain(context, "line-4").run()
    assert len(samples(context)) == len(inspections(context)) == 1


def fail(*_: object) -> str:
    raise StoreError("the disk is full")


def test_frames_delivered_again_after_a_crash_count_once(
    context: WorkerContext,
    stream: FrameStream,
    teach: Callable[..., int],
    make_frame: Callable[..., Frame],
    sleep_past_visibility: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teaching_id = teach(12)
    push(stream, [make_frame(0.2, i) for i in range(3)])

    def crash(*_: object) -> None:
        raise RuntimeError("killed before it acknowledged")

    with monkeypatch.context() as patch:
        patch.setattr(FrameStream, "acknowledge", crash)
        with pytest.raises(RuntimeError):
            Drain(context, "line-4").run()
    sleep_past_visibility()

    Drain(context, "line-4").run()

    assert len(samples(context)) == len(inspections(context)) == 3
    with Session(context.engine) as session:
        assert session.get_one(Teaching, teaching_id).frames_collected == 3
    assert stream.status().pending == 0
