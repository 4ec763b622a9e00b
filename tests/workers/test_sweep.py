"""The sweeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.tables import Camera, Line
from ingest.stream import FrameStream, FullPolicy
from workers.sweep import sweep_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from ingest.frame import Frame
    from workers.context import WorkerContext


def test_it_rings_for_frames_whose_bell_was_lost(
    context: WorkerContext, redis_client: Redis, make_frame: Callable[..., Frame]
) -> None:
    stream = FrameStream(redis_client, "line-4")
    stream.push(make_frame(), FullPolicy.BLOCK)
    redis_client.delete(stream.bell_key)  # rung, but the caller died before it called a worker

    assert sweep_lines(context) == ["line-4"]
    assert sweep_lines(context) == []  # it rings already


def test_it_rings_for_frames_that_a_dead_worker_holds(
    context: WorkerContext, redis_client: Redis, make_frame: Callable[..., Frame]
) -> None:
    stream = FrameStream(redis_client, "line-4")
    stream.push(make_frame(), FullPolicy.BLOCK)
    stream.read("dead-worker", 1)
    redis_client.delete(stream.bell_key)

    assert sweep_lines(context) == ["line-4"]


def test_it_is_silent_about_empty_and_unknown_lines(
    context: WorkerContext, redis_client: Redis, make_frame: Callable[..., Frame]
) -> None:
    FrameStream(redis_client, "line-9").push(make_frame(line="line-9"), FullPolicy.BLOCK)
    redis_client.delete("linewatch:line-9:bell")

    assert sweep_lines(context) == []


def test_it_keeps_the_lines_status_fresh(
    context: WorkerContext, redis_client: Redis, make_frame: Callable[..., Frame]
) -> None:
    stream = FrameStream(redis_client, "line-4")
    for _ in range(3):
        stream.push(make_frame(), FullPolicy.BLOCK)

    sweep_lines(context)

    with Session(context.engine) as session:
        assert session.scalars(select(Line)).one().frames_waiting == 3
        camera = session.scalars(select(Camera)).one()
    assert (camera.name, camera.frames_pushed, camera.frames_dropped) == ("top", 3, 0)
