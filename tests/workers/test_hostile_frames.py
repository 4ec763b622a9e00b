"""A worker between good frames and all that nobody should send: none lost, each with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db.tables import Inspection, QuarantinedFrame
from ingest.frame import Frame
from ingest.stream import GROUP, FullPolicy
from tests.hostile.messages import messages
from tests.hostile.pictures import READ, REASONS, pictures
from workers.drain import Drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from ingest.stream import FrameStream
    from workers.context import WorkerContext

MessageFields = dict[bytes, bytes]


def drain_all(context: WorkerContext, stream: FrameStream) -> None:
    while stream.status().waiting:
        assert Drain(context, stream.line).run() > 0
    assert stream.status().pending == 0
    assert context.redis.xlen(stream.frames_key) == 0


def ends(engine: Engine) -> tuple[dict[str, str], list[QuarantinedFrame]]:
    """Each inspected frame's verdict by its id, and what is in quarantine."""
    with Session(engine) as session:
        verdicts = {str(one.frame_id): one.verdict for one in session.scalars(select(Inspection))}
        return verdicts, list(session.scalars(select(QuarantinedFrame)))


def test_pictures(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    activate_version()
    good, bad = [], {}
    for number, case in enumerate(pictures()):
        frame = Frame.capture(stream.line, "c1", number, case.data, "image/png")
        assert stream.push(frame, FullPolicy.BLOCK).accepted
        bad[str(frame.frame_id)] = case
        if number % 5 == 0:
            good.append(make_frame(0.2, number))
            assert stream.push(good[-1], FullPolicy.BLOCK).accepted
        if number % 200 == 0:
            drain_all(context, stream)
    drain_all(context, stream)

    verdicts, quarantine = ends(context.engine)
    assert all(verdicts.get(str(frame.frame_id)) == "PASS" for frame in good)
    refused = {row.frame_key: row for row in quarantine}
    for frame_id, case in bad.items():
        row = refused.get(frame_id)
        assert (row is None) == (frame_id in verdicts), case.name  # exactly one end
        if row is None:
            assert case.expected & {READ, "other size"}, case.name
        else:
            assert row.reason in REASONS & case.expected, case.name
            assert row.detail


def test_messages(
    context: WorkerContext,
    stream: FrameStream,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    picture: Callable[..., bytes],
) -> None:
    activate_version()
    # The consumer group is there, as on any line that works.
    stream.read("nobody", 1)
    good, wrong, fine = [], 0, 0
    for number, case in enumerate(messages()):
        fields: dict[bytes, bytes] = dict(case.fields)
        if case.fault is None:
            fields[b"frame_id"] = str(uuid7()).encode()
        if fields.get(b"image"):
            fields[b"image"] = picture(0.2)
        wrong += case.fault is not None or fields.get(b"image") == b""
        fine += case.fault is None and bool(fields.get(b"image"))
        context.redis.xadd(stream.frames_key, cast("Any", fields))
        if number % 10 == 0:
            good.append(make_frame(0.2, number))
            assert stream.push(good[-1], FullPolicy.BLOCK).accepted
    drain_all(context, stream)

    verdicts, quarantine = ends(context.engine)
    assert all(verdicts.get(str(frame.frame_id)) == "PASS" for frame in good)
    assert len(verdicts) == len(good) + fine
    assert len(quarantine) == wrong
    assert all(row.reason and row.detail for row in quarantine)
    assert not context.redis.xpending(stream.frames_key, GROUP)["pending"]  # type: ignore[index]
