"""A candidate in the shadow: what it costs the verdicts, which is nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import shadow
from db.access import trusted
from db.errors import DatabaseUnavailable
from db.lines import get_line
from db.model_versions import add_model_version
from db.tables import Inspection, Line, ModelVersion, ShadowVerdict
from ingest.stream import FrameStream, FullPolicy
from models.detector import Scores
from workers.active_models import ActiveModels
from workers.drain import Drain
from workers.scoring import ModelScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from redis import Redis

    from ingest.frame import Frame
    from tests.workers.conftest import BrightnessDetector
    from workers.context import WorkerContext
    from workers.scoring import FrameScorer

TEST = trusted("test")


@dataclass
class Twice:
    """A candidate that finds everything twice as bright."""

    error: Exception | None = None
    calls: int = 0
    takes_s: float = 0.0

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        self.calls += 1
        time.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        means = np.array([2 * image.mean() / 255 for image in images], dtype=np.float32)
        return Scores(means, np.zeros((len(images), 2, 2), np.float32))


@pytest.fixture
def candidate() -> Twice:
    return Twice()


@pytest.fixture
def candidate_id(
    context: WorkerContext,
    detector: BrightnessDetector,
    candidate: Twice,
    activate_version: Callable[..., int],
) -> int:
    """Version 2 of `line-4`, in the shadow of version 1 for six frames."""
    activate_version(review=0.5, reject=0.8)
    manifest = {"detector": "d", "backbone": "b", "thresholds": {"review": 0.5, "reject": 0.8}}
    with Session(context.engine) as session, session.begin():
        line = get_line(session, "line-4")
        line.shadow_frames = 6
        version = add_model_version(
            session,
            line,
            artifact_path="/nowhere",
            manifest=manifest,
            manifest_sha256="1" * 64,
            actor=TEST,
            gate={"champion": {"number": 1}},
            has_passed_gate=True,
        )
        shadow.start(session, line, version)
        version_id = version.id

    def load(version: ModelVersion) -> FrameScorer:
        return ModelScorer(detector if version.number == 1 else candidate, max_pixels=1_000_000)

    context.models = ActiveModels(context.engine, load, check_s=1e-6)
    return version_id


@pytest.fixture
def stream(redis_client: Redis) -> FrameStream:
    return FrameStream(redis_client, "line-4")


@pytest.fixture
def see(
    context: WorkerContext, stream: FrameStream, make_frame: Callable[..., Frame]
) -> Callable[..., None]:
    """Pushes frames of such brightness, one batch, and drains."""

    def push(*brightness: float) -> None:
        for sequence, value in enumerate(brightness):
            assert stream.push(make_frame(value, sequence), FullPolicy.BLOCK).accepted
        Drain(context, "line-4").run()

    return push


def said(context: WorkerContext) -> list[tuple[str, str]]:
    with Session(context.engine) as session:
        rows = session.scalars(select(ShadowVerdict).order_by(ShadowVerdict.id))
        return sorted((row.champion_verdict, row.verdict) for row in rows)


def state(context: WorkerContext, version_id: int) -> tuple[ModelVersion, Line]:
    with Session(context.engine) as session:
        return session.get_one(ModelVersion, version_id), get_line(session, "line-4")


def verdicts(context: WorkerContext) -> list[tuple[int | None, str]]:
    with Session(context.engine) as session:
        rows = session.scalars(select(Inspection).order_by(Inspection.id))
        return [(row.model_version_id, row.verdict) for row in rows]


def test_it_scores_what_the_champion_has_judged_and_only_the_latter_counts(
    context: WorkerContext, candidate_id: int, see: Callable[..., None]
) -> None:
    see(0.1, 0.3)

    assert [verdict for _, verdict in verdicts(context)] == ["PASS", "PASS"]
    assert said(context) == [("PASS", "PASS"), ("PASS", "REVIEW")]
    assert candidate_id not in {version for version, _ in verdicts(context)}


def test_frames_are_acknowledged_before_it_begins(
    context: WorkerContext,
    candidate_id: int,
    candidate: Twice,
    stream: FrameStream,
    see: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pending = []
    score = Twice.score

    def watched(self: Twice, images: Sequence[NDArray[np.uint8]]) -> Scores:
        pending.append(stream.status().pending + stream.status().waiting)
        return score(self, images)

    monkeypatch.setattr(Twice, "score", watched)
    see(0.1, 0.3)

    assert pending == [0]
    assert len(verdicts(context)) == 2


def test_after_enough_frames_it_is_summed_up_and_leaves_the_shadow(
    context: WorkerContext, candidate_id: int, candidate: Twice, see: Callable[..., None]
) -> None:
    see(0.1, 0.3)
    see(0.1, 0.9)
    see(0.1, 0.1)
    version, line = state(context, candidate_id)

    assert version.shadow is not None
    assert (version.shadow["frames"], version.shadow["candidate_only"]) == (6, 1)
    assert version.shadow["candidate"]["score_ms"] > 0
    assert version.shadow["champion"]["score_ms"] > 0
    assert line.shadow_model_version_id is None
    calls = candidate.calls
    see(0.1)
    assert candidate.calls == calls


def test_the_lines_policy_lets_it_score(
    context: WorkerContext, candidate_id: int, see: Callable[..., None]
) -> None:
    with Session(context.engine) as session, session.begin():
        get_line(session, "line-4").promotion = "automatic"
    see(0.1, 0.1)
    see(0.1, 0.1)
    see(0.1, 0.1)

    see(0.3)

    assert verdicts(context)[-1] == (candidate_id, "REVIEW")


@pytest.mark.parametrize("where", ["scoring", "loading"])
def test_an_error_in_it_ends_it_and_costs_no_verdict(
    context: WorkerContext,
    candidate_id: int,
    candidate: Twice,
    see: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    if where == "scoring":
        candidate.error = RuntimeError("out of memory")
    else:
        load = context.models._load

        def broken(version: ModelVersion) -> FrameScorer:
            if version.id == candidate_id:
                raise RuntimeError("out of memory")
            return load(version)

        context.models._load = broken
    see(0.1, 0.9)

    version, line = state(context, candidate_id)
    assert [verdict for _, verdict in verdicts(context)] == ["PASS", "REJECT"]
    assert version.shadow is not None
    assert "out of memory" in version.shadow["ended"]
    assert line.shadow_model_version_id is None
    see(0.1)
    assert len(verdicts(context)) == 3


def test_a_database_that_is_away_costs_its_rows_only(
    context: WorkerContext,
    candidate_id: int,
    see: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr("workers.shadowing.shadow.record", away)
        see(0.1, 0.9)

    assert len(verdicts(context)) == 2
    assert said(context) == []
    version, line = state(context, candidate_id)
    assert (version.shadow, line.shadow_model_version_id) == (None, candidate_id)


def test_with_a_backlog_it_rests_most_of_the_time(
    context: WorkerContext, candidate_id: int, candidate: Twice, see: Callable[..., None]
) -> None:
    with Session(context.engine) as session, session.begin():
        get_line(session, "line-4").shadow_frames = 10_000
    candidate.takes_s = 0.05
    see(*[0.1] * 80)

    batches = 80 / context.config.max_batch
    assert 1 <= candidate.calls < batches * 0.6
    assert len(verdicts(context)) == 80
