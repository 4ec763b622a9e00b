"""The drain job, on a real stream and a real database."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.errors import DatabaseUnavailable
from db.tables import Camera, Inspection, QuarantinedFrame
from ingest.doorbell import Doorbell
from ingest.stream import FrameStream, FullPolicy
from tests.workers.conftest import push
from workers.drain import Drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis
    from sqlalchemy import Engine

    from ingest.frame import Frame
    from tests.workers.conftest import BrightnessDetector
    from workers.context import WorkerContext


def inspections(engine: Engine) -> list[Inspection]:
    with Session(engine) as session:
        return list(session.scalars(select(Inspection).order_by(Inspection.sequence)))


def quarantined(engine: Engine) -> list[QuarantinedFrame]:
    with Session(engine) as session:
        return list(session.scalars(select(QuarantinedFrame)))


def test_every_frame_gets_one_verdict_by_the_models_thresholds(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    version_id = activate_version(review=0.5, reject=0.8)
    push(stream, [make_frame(b, i) for i, b in enumerate([0.2, 0.6, 1.0, 0.2, 0.8])])

    finished = Drain(context, stream.line).run()

    rows = inspections(context.engine)
    assert finished == 5
    # A score at a threshold counts as above it: 0.8 is rejected.
    assert [r.verdict for r in rows] == ["PASS", "REVIEW", "REJECT", "PASS", "REJECT"]
    assert {r.model_version_id for r in rows} == {version_id}
    assert stream.status().waiting == stream.status().pending == 0
    assert len(stream.latencies_ms()) == 5


def test_pictures_and_maps_can_be_read_back(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    frame = make_frame(0.6)
    push(stream, [frame])

    Drain(context, stream.line).run()

    [row] = inspections(context.engine)
    assert row.image_key is not None
    assert row.map_key is not None
    assert context.store.get(row.image_key) == frame.image
    assert context.store.get(row.map_key).startswith(b"\x89PNG")
    assert (row.height_px, row.width_px) == (24, 24)


def test_frames_of_a_line_without_a_model_stay_in_the_stream(
    context: WorkerContext, stream: FrameStream, make_frame: Callable[..., Frame]
) -> None:
    push(stream, [make_frame()])

    Drain(context, stream.line).run()

    assert inspections(context.engine) == []
    assert stream.status().waiting == 1


def test_a_frame_delivered_again_after_its_commit_stays_one_row(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    frame = make_frame()
    push(stream, [frame, frame])  # as after a push whose answer was lost

    Drain(context, stream.line).run()

    assert len(inspections(context.engine)) == 1
    assert stream.status().waiting == stream.status().pending == 0


def test_another_version_activated_meanwhile_scores_the_next_batch(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    first = activate_version()
    push(stream, [make_frame(0.2, 0)])
    Drain(context, stream.line).run()
    second = activate_version(review=0.1, reject=0.9)
    push(stream, [make_frame(0.2, 1)])

    Drain(context, stream.line).run()

    assert [(r.model_version_id, r.verdict) for r in inspections(context.engine)] == [
        (first, "PASS"),
        (second, "REVIEW"),
    ]


def test_bad_images_and_bad_messages_go_to_quarantine_with_their_bytes(
    context: WorkerContext,
    stream: FrameStream,
    redis_client: Redis,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    broken = make_frame(image=b"\x89PNG\r\n\x1a\n and no more")
    push(stream, [make_frame(0.2), broken])
    redis_client.xadd(stream.frames_key, {"hello": "world"})
    foreign = make_frame(line="line-5")
    push(stream, [foreign])

    Drain(context, stream.line).run()

    rows = {q.frame_key: q for q in quarantined(context.engine)}
    assert len(inspections(context.engine)) == 1
    assert len(rows) == 3
    kept = rows[str(broken.frame_id)].image_key
    assert kept is not None
    assert context.store.get(kept) == broken.image
    assert sorted(q.reason for q in rows.values())[:2] == ["bad_message", "bad_message"]
    assert stream.status().waiting == stream.status().pending == 0


def test_a_notice_becomes_an_uninspected_verdict_once(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    frame = make_frame(image=b"", part_id="P1")
    notice = dataclasses.replace(frame, uninspected="stream full for 5 s")
    push(stream, [notice, notice])

    Drain(context, stream.line).run()

    [row] = inspections(context.engine)
    assert (row.verdict, row.reason, row.part_id) == ("UNINSPECTED", "stream full for 5 s", "P1")
    assert row.model_version_id is None
    assert row.score is None


def test_frames_of_a_dead_worker_are_taken_over_one_by_one(
    context: WorkerContext,
    stream: FrameStream,
    detector: BrightnessDetector,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    sleep_past_visibility: Callable[[], None],
) -> None:
    activate_version()
    push(stream, [make_frame(0.2, i) for i in range(3)])
    assert len(stream.read("dead-worker", 10)) == 3
    sleep_past_visibility()

    Drain(context, stream.line).run()

    assert len(inspections(context.engine)) == 3
    assert detector.calls == [1, 1, 1]


def test_a_frame_that_kills_its_workers_ends_in_quarantine_and_no_other_does(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    sleep_past_visibility: Callable[[], None],
) -> None:
    activate_version()
    deadly, harmless = make_frame(0.2, 0), make_frame(0.2, 1)
    push(stream, [deadly, harmless])
    stream.read("dead-worker-1", 10)
    for number in range(2, context.config.max_deliveries + 1):
        sleep_past_visibility()
        claimed = stream.claim_stale(f"dead-worker-{number}", 200)
        assert claimed is not None
        assert claimed.deliveries == number
    sleep_past_visibility()

    Drain(context, stream.line).run()

    [row] = quarantined(context.engine)
    assert (row.frame_key, row.reason) == (str(deadly.frame_id), "too_many_deliveries")
    assert [i.frame_id for i in inspections(context.engine)] == [harmless.frame_id]


def test_a_frame_whose_acknowledgements_all_failed_keeps_its_verdict_alone(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    sleep_past_visibility: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    activate_version()
    push(stream, [make_frame()])

    def lost(*_: object) -> None:
        raise RedisConnectionError("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(FrameStream, "acknowledge", lost)
        for _ in range(context.config.max_deliveries + 1):
            with pytest.raises(RedisConnectionError):
                Drain(context, stream.line).run()
            sleep_past_visibility()
    Drain(context, stream.line).run()

    assert len(inspections(context.engine)) == 1
    assert quarantined(context.engine) == []
    assert stream.status().pending == 0


def test_frames_are_given_back_unharmed_while_the_database_is_away(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    activate_version()
    push(stream, [make_frame()])

    def away(*_: object) -> int:
        raise DatabaseUnavailable("the connection broke")

    for _ in range(context.config.max_deliveries + 2):
        with monkeypatch.context() as patch:
            patch.setattr("workers.recording.inspections.record", away)
            with pytest.raises(DatabaseUnavailable):
                Drain(context, stream.line).run()

    assert stream.status().pending == 1
    Drain(context, stream.line).run()
    assert len(inspections(context.engine)) == 1
    assert quarantined(context.engine) == []


def test_the_bell_is_silent_after_a_drain_so_the_next_push_rings(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    assert stream.push(make_frame(), FullPolicy.BLOCK).ring is True
    assert stream.push(make_frame(), FullPolicy.BLOCK).ring is False

    Drain(context, stream.line).run()

    assert stream.push(make_frame(), FullPolicy.BLOCK).ring is True


def test_a_backlog_calls_a_helper(
    context: WorkerContext,
    stream: FrameStream,
    redis_client: Redis,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    push(stream, [make_frame(0.2, i) for i in range(context.config.max_batch * 3)])

    Drain(context, stream.line).run()

    assert Doorbell(redis_client).others_wait() is True


def test_helpers_are_not_called_with_every_batch(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    activate_version()
    calls: list[str] = []
    monkeypatch.setattr("workers.drain.HELPER_INTERVAL_MS", 60_000)
    monkeypatch.setattr(Doorbell, "call_helper", lambda _, line: calls.append(line))
    push(stream, [make_frame(0.2, i) for i in range(context.config.max_batch * 3)])

    Drain(context, stream.line).run()

    assert calls == [stream.line]


def test_a_stop_leaves_the_rest_to_the_next_worker_and_rings_for_it(
    context: WorkerContext,
    stream: FrameStream,
    redis_client: Redis,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    push(stream, [make_frame(0.2, i) for i in range(6)])
    context.should_stop = lambda: True

    finished = Drain(context, stream.line).run()

    assert finished == context.config.max_batch
    assert stream.status().waiting == 2
    assert redis_client.exists(stream.bell_key) == 1
    assert Doorbell(redis_client).others_wait() is True


def test_a_frame_whose_row_no_database_takes_ends_in_quarantine_and_harms_no_other(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    sleep_past_visibility: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from workers import recording

    activate_version()
    bad, good = make_frame(0.2, 0), make_frame(0.2, 1)
    push(stream, [bad, good])
    record = recording.inspections.record

    def refuse_one(session: Session, rows: list[dict[str, object]]) -> int:
        if any(row["frame_id"] == bad.frame_id for row in rows):
            raise ValueError("no database takes this")
        return record(session, rows)

    monkeypatch.setattr("workers.recording.inspections.record", refuse_one)
    for _ in range(context.config.max_deliveries):
        with pytest.raises(ValueError, match="no database"):
            Drain(context, stream.line).run()
        sleep_past_visibility()

    Drain(context, stream.line).run()

    assert [i.frame_id for i in inspections(context.engine)] == [good.frame_id]
    assert [q.frame_key for q in quarantined(context.engine)] == [str(bad.frame_id)]


def test_a_worker_told_to_stop_with_nothing_in_hand_leaves_the_bell_silent(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    context.should_stop = lambda: True

    Drain(context, stream.line).run()

    assert stream.push(make_frame(), FullPolicy.BLOCK).ring is True


def test_a_backlog_calls_a_helper_even_when_frames_are_scored_one_by_one(
    context: WorkerContext,
    stream: FrameStream,
    redis_client: Redis,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    context.config = dataclasses.replace(context.config, max_batch=1)
    push(stream, [make_frame(0.2, i) for i in range(3)])

    Drain(context, stream.line).run()

    assert Doorbell(redis_client).others_wait() is True


def test_cameras_are_looked_up_anew_after_a_backup_was_restored(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    sleep_past_visibility: Callable[[], None],
) -> None:
    activate_version()
    push(stream, [make_frame(0.2, 0)])
    Drain(context, stream.line).run()
    with Session(context.engine) as session, session.begin():
        session.execute(delete(Inspection))
        session.execute(delete(Camera))
    push(stream, [make_frame(0.2, 1)])
    with pytest.raises(IntegrityError):
        Drain(context, stream.line).run()
    sleep_past_visibility()

    Drain(context, stream.line).run()

    assert [i.sequence for i in inspections(context.engine)] == [1]
