"""What the database learns of a line's stream."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.tables import Line
from tests.workers.conftest import push
from workers.drain import Drain

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from ingest.frame import Frame
    from ingest.stream import FrameStream
    from workers.context import WorkerContext


def test_the_database_learns_how_the_stream_stands(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    push(stream, [make_frame(), make_frame()])

    Drain(context, stream.line).run()

    with Session(context.engine) as session:
        row = session.scalars(select(Line)).one()
    assert row.frames_waiting == 2  # reported before the first read
    assert row.status_at is not None


def test_only_one_of_a_lines_workers_reports_how_the_stream_stands(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    activate_version()
    monkeypatch.setattr("workers.status.REPORT_INTERVAL_S", 60.0)
    push(stream, [make_frame(), make_frame()])
    Drain(context, stream.line).run()
    other = dataclasses.replace(context, name="worker-2", reported_at={})
    push(stream, [make_frame()])

    Drain(other, stream.line).run()

    with Session(context.engine) as session:
        assert session.scalars(select(Line)).one().frames_waiting == 2  # the first one's
