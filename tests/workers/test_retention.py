"""Old pictures go from the store, whatever happens in between, and no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.errors import ImageMissing, StoreError
from db.store import ImageStore
from db.tables import Inspection, utc_now
from workers import jobs
from workers.recording import Batch, Recorder
from workers.retention import RetentionConfig, retain
from workers.scoring import Judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.frame import Frame
    from workers.context import WorkerContext

DAY = RetentionConfig(pass_days=1.0, quarantine_days=1.0)


@pytest.fixture
def record(
    context: WorkerContext, activate_version: Callable[..., int], make_frame: Callable[..., Frame]
) -> Callable[..., Inspection]:
    """Records a frame with its picture as a worker does, so many days ago."""
    activate_version()
    active = context.models.get("line-4")
    assert active is not None
    model = replace(active, audit_rate=0.0)

    def add(score: float, days_ago: float = 0.0) -> Inspection:
        frame = make_frame(score)
        judged = Judged(score, None, 24, 24, 1.0)
        Recorder(context, "line-4", model).commit(Batch(judged=[(frame, judged)]))
        recorded_at = utc_now() - timedelta(days=days_ago)
        of_frame = Inspection.frame_id == frame.frame_id
        with Session(context.engine) as session, session.begin():
            session.execute(update(Inspection).where(of_frame).values(recorded_at=recorded_at))
        with Session(context.engine) as session:
            return session.scalars(select(Inspection).where(of_frame)).one()

    return add


def image_keys(context: WorkerContext) -> list[str | None]:
    with Session(context.engine) as session:
        return list(session.scalars(select(Inspection.image_key).order_by(Inspection.id)))


def stored(context: WorkerContext) -> set[str]:
    root = Path(context.store.url)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_old_pass_pictures_go_and_flagged_and_young_ones_stay(
    context: WorkerContext, record: Callable[..., Inspection]
) -> None:
    old, young, flagged = record(0.1, 2), record(0.2, 0.5), record(0.9, 900)

    done = retain(context, DAY, grace_s=0)

    assert (done.frames, done.files, done.too_large_by) == (1, 1, None)
    assert done.freed_bytes > 0
    assert image_keys(context) == [None, young.image_key, flagged.image_key]
    assert stored(context) == {young.image_key, flagged.image_key}
    assert old.image_key is not None
    with pytest.raises(ImageMissing):
        context.store.get(old.image_key)


def test_a_picture_is_deleted_when_the_last_frame_that_shows_it_goes(
    context: WorkerContext, record: Callable[..., Inspection]
) -> None:
    record(0.1, 3)
    younger = record(0.1, 0.5)

    retain(context, DAY, grace_s=0)
    assert image_keys(context) == [None, younger.image_key]
    assert stored(context) == {younger.image_key}

    retain(context, replace(DAY, pass_days=0.1), grace_s=0)
    assert stored(context) == set()


def test_a_picture_put_there_again_just_now_stays_for_the_row_that_will_name_it(
    context: WorkerContext, record: Callable[..., Inspection], picture: Callable[..., bytes]
) -> None:
    old = record(0.1, 2)
    context.store.put(picture(0.1), ".png")  # by a worker that has not committed its row yet

    done = retain(context, DAY)

    assert (done.frames, done.files) == (1, 0)
    assert stored(context) == {old.image_key}


def test_for_space_the_oldest_go_until_it_suffices(
    context: WorkerContext, record: Callable[..., Inspection]
) -> None:
    rows = [record(score, days) for score, days in ((0.1, 1), (0.2, 4), (0.3, 2), (0.4, 3))]
    size = context.store.size_bytes()
    one = len(context.store.get(rows[1].image_key or ""))
    config = RetentionConfig(
        pass_days=None, store_max_bytes=size - one - 1, chunk=1, quarantine_days=None
    )

    done = retain(context, config, grace_s=0)

    assert done.too_large_by == 0
    assert image_keys(context) == [rows[0].image_key, None, rows[2].image_key, None]
    assert retain(context, config, grace_s=0).frames == 0


def test_it_says_so_when_what_must_be_kept_is_too_large(
    context: WorkerContext, record: Callable[..., Inspection]
) -> None:
    record(0.9, 100)

    with structlog.testing.capture_logs() as logs:
        done = retain(context, RetentionConfig(store_max_bytes=1), grace_s=0)

    assert done.too_large_by == context.store.size_bytes() - 1
    assert [entry["event"] for entry in logs] == ["store.too_large"]


def test_a_run_ends_when_its_time_is_up_and_the_next_goes_on(
    context: WorkerContext, record: Callable[..., Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    for score in (0.1, 0.2, 0.3):
        record(score, 2)
    clock = iter(range(1000))
    monkeypatch.setattr("workers.retention.time.monotonic", lambda: next(clock))

    done = retain(context, replace(DAY, budget_s=3, chunk=1), grace_s=0)

    assert 0 < done.frames < 3
    monkeypatch.undo()
    assert retain(context, DAY, grace_s=0).frames == 3 - done.frames
    assert stored(context) == set()


@pytest.mark.parametrize("files_before", [0, 1, 2])
def test_interrupted_anywhere_it_leaves_nothing_that_no_row_knows(
    context: WorkerContext,
    record: Callable[..., Inspection],
    monkeypatch: pytest.MonkeyPatch,
    files_before: int,
) -> None:
    for score in (0.1, 0.2, 0.3):
        record(score, 2)
    delete = ImageStore.delete
    calls: list[str] = []

    def dies(store: ImageStore, key: str, *, younger_than_s: float) -> int | None:
        if len(calls) == files_before:
            raise KeyboardInterrupt
        calls.append(key)
        return delete(store, key, younger_than_s=younger_than_s)

    with monkeypatch.context() as patched:
        patched.setattr(ImageStore, "delete", dies)
        with pytest.raises(KeyboardInterrupt):
            retain(context, DAY, grace_s=0)

    assert stored(context) <= {key for key in image_keys(context) if key}

    retain(context, DAY, grace_s=0)
    assert stored(context) == set()
    assert image_keys(context) == [None, None, None]


def test_a_store_that_does_not_delete_loses_no_row(
    context: WorkerContext, record: Callable[..., Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = record(0.1, 2)

    def refuses(*_: object, **__: object) -> int:
        raise StoreError("read-only")

    monkeypatch.setattr(ImageStore, "delete", refuses)

    with pytest.raises(StoreError):
        retain(context, DAY, grace_s=0)

    assert image_keys(context) == [row.image_key]


def test_as_a_job_it_takes_the_workers_settings_and_fails_in_one_line(
    context: WorkerContext, record: Callable[..., Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    record(0.1, 2)
    context.retention = RetentionConfig(pass_days=1.0)

    def refuses(*_: object, **__: object) -> int:
        raise StoreError("read-only")

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(ImageStore, "delete", refuses)
        assert jobs.ALLOWED_JOBS[jobs.RETAIN_JOB]() == 0
    assert [entry["event"] for entry in logs] == ["pictures.not_deleted"]

    assert jobs.ALLOWED_JOBS[jobs.RETAIN_JOB]() == 1


@pytest.mark.parametrize("changes", [{"pass_days": 0.0}, {"store_max_bytes": -1}, {"chunk": 0}])
def test_limits_must_be_positive(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        replace(DAY, **changes)
