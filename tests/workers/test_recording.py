"""What is kept of a judged frame, and what happens when storing fails."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db.errors import StoreError
from db.lines import get_line
from db.tables import Inspection, Verdict
from workers.recording import Batch, Recorder, drawn_for_audit, verdict_of
from workers.scoring import Judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.frame import Frame
    from workers.active_models import ActiveModel
    from workers.context import WorkerContext


@pytest.fixture
def model(context: WorkerContext, activate_version: Callable[..., int]) -> ActiveModel:
    activate_version(review=0.5, reject=0.8)
    active = context.models.get("line-4")
    assert active is not None
    return active


def judged(score: float) -> Judged:
    picture = np.full((256, 128), score, np.float32)
    return Judged(score, lambda: picture, 480, 640, 3.0)


def commit(context: WorkerContext, model: ActiveModel, *frames: tuple[Frame, Judged]) -> None:
    Recorder(context, "line-4", model).commit(Batch(judged=list(frames)))


def row_of(context: WorkerContext, frame: Frame) -> Inspection:
    with Session(context.engine) as session:
        return session.scalars(
            select(Inspection).where(Inspection.frame_id == frame.frame_id)
        ).one()


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (-3.0, Verdict.PASS),
        (0.4999, Verdict.PASS),
        (0.5, Verdict.REVIEW),
        (0.8, Verdict.REJECT),
        (1e9, Verdict.REJECT),
    ],
)
def test_a_score_at_a_threshold_counts_as_above_it(
    model: ActiveModel, score: float, verdict: Verdict
) -> None:
    assert verdict_of(score, model) is verdict


def test_the_audit_draws_its_share_and_the_same_frames_again() -> None:
    ids = [uuid7() for _ in range(20_000)]

    drawn = [drawn_for_audit(i, 0.05) for i in ids]

    # Binomial(20,000, 0.05): mean 1,000, standard deviation 31; five of them on either side.
    assert 845 < sum(drawn) < 1_155
    assert drawn == [drawn_for_audit(UUID(str(i)), 0.05) for i in ids]
    assert not any(drawn_for_audit(i, 0.0) for i in ids)
    assert all(drawn_for_audit(i, 1.0) for i in ids)


def test_of_pass_frames_one_picture_an_interval_is_kept_and_of_flagged_ones_all(
    context: WorkerContext, model: ActiveModel, make_frame: Callable[..., Frame]
) -> None:
    context.config = dataclasses.replace(context.config, pass_image_interval_s=3600.0)
    model = dataclasses.replace(model, audit_rate=0.0)
    frames = [make_frame(0.1, 0), make_frame(0.1, 1), make_frame(0.6, 2), make_frame(0.6, 3)]

    commit(context, model, *zip(frames, map(judged, [0.1, 0.1, 0.6, 0.9]), strict=True))

    kept = [row_of(context, f).image_key is not None for f in frames]
    assert kept == [True, False, True, True]


def test_an_audited_frame_is_kept_with_the_probability_of_its_draw(
    context: WorkerContext, model: ActiveModel, make_frame: Callable[..., Frame]
) -> None:
    context.config = dataclasses.replace(context.config, pass_image_interval_s=3600.0)
    first, second = make_frame(0.1, 0), make_frame(0.1, 1)

    commit(context, dataclasses.replace(model, audit_rate=1.0), (first, judged(0.1)))
    commit(context, dataclasses.replace(model, audit_rate=1.0), (second, judged(0.1)))

    row = row_of(context, second)
    assert (row.verdict, row.audit_probability) == ("PASS", 1.0)
    assert row.image_key is not None


def test_part_and_lot_are_in_the_row(
    context: WorkerContext, model: ActiveModel, make_frame: Callable[..., Frame]
) -> None:
    frame, other = make_frame(0.1, part_id="p7", lot_id="monday"), make_frame(0.1)

    commit(context, model, (frame, judged(0.1)), (other, judged(0.1)))

    row = row_of(context, frame)
    assert (row.part_id, row.lot_id) == ("p7", "monday")
    assert row_of(context, other).lot_id is None


def test_the_stored_map_is_small_and_carries_its_scale(
    context: WorkerContext, model: ActiveModel, make_frame: Callable[..., Frame]
) -> None:
    from models.maps import decode_map

    frame = make_frame(0.6)
    ramp = np.linspace(2.0, 6.0, 256 * 128, dtype=np.float32).reshape(256, 128)
    outcome = dataclasses.replace(judged(0.6), anomaly_map=lambda: ramp)

    commit(context, model, (frame, outcome))

    row = row_of(context, frame)
    assert row.map_key is not None
    assert row.map_low is not None
    assert row.map_high is not None
    stored = decode_map(context.store.get(row.map_key), row.map_low, row.map_high)
    assert stored.shape == (64, 32)
    # One of 255 steps of a scale 4 wide, and the mean over 4 x 4 pixels: 0.02 covers both.
    assert stored[0, 0] == pytest.approx(ramp[:4, :4].mean(), abs=0.02)
    assert stored[-1, -1] == pytest.approx(ramp[-4:, -4:].mean(), abs=0.02)


def test_a_store_that_fails_costs_the_picture_and_never_the_verdict(
    context: WorkerContext,
    model: ActiveModel,
    make_frame: Callable[..., Frame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> str:
        raise StoreError("the disk is full")

    monkeypatch.setattr(context.store, "put", full)
    frame = make_frame(0.9)

    commit(context, model, (frame, judged(0.9)))

    row = row_of(context, frame)
    assert (row.verdict, row.image_key, row.map_key) == ("REJECT", None, None)


def test_all_of_a_batch_is_written_or_nothing(
    context: WorkerContext,
    model: ActiveModel,
    make_frame: Callable[..., Frame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from workers.recording import Quarantined
    from workers.scoring import Refused

    def fails(*_: object, **__: object) -> bool:
        raise RuntimeError("in the middle of the transaction")

    monkeypatch.setattr("workers.recording.quarantine.record", fails)
    from ingest.stream import Entry

    bad = Quarantined(Entry("1-0", {b"image": b"x"}), None, Refused("bad_message", "no"))
    batch = Batch(judged=[(make_frame(0.1), judged(0.1))], quarantined=[bad])

    with pytest.raises(RuntimeError):
        Recorder(context, "line-4", model).commit(batch)

    with Session(context.engine) as session:
        assert get_line(session, "line-4")
        assert list(session.scalars(select(Inspection))) == []
