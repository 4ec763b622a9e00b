"""Versions and thresholds that change while a worker runs."""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.access import trusted
from db.lines import get_line
from db.model_versions import activate
from db.tables import Inspection, Line, ModelVersion
from ingest.stream import FrameStream, FullPolicy
from models.errors import ArtifactError
from workers.active_models import ActiveModels
from workers.drain import Drain
from workers.scoring import ModelScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis
    from sqlalchemy import Engine

    from ingest.frame import Frame
    from tests.workers.conftest import BrightnessDetector
    from workers.context import WorkerContext
    from workers.scoring import Judged, Refused


class NoScorer:
    def score(self, frames: Sequence[Frame]) -> list[Judged | Refused]:
        return []


class Loader:
    """Loads stand-ins, but for versions whose files are gone."""

    def __init__(self, *, gone: Sequence[int] = ()) -> None:
        self.gone = list(gone)
        self.tried: list[int] = []

    def __call__(self, version: ModelVersion) -> NoScorer:
        self.tried.append(version.number)
        if version.number in self.gone:
            raise ArtifactError(f"version {version.number} is no trained model")
        return NoScorer()


def set_thresholds(engine: Engine, version_id: int, review: float, reject: float) -> None:
    with Session(engine) as session, session.begin():
        session.execute(
            update(ModelVersion)
            .where(ModelVersion.id == version_id)
            .values(review_threshold=review, reject_threshold=reject)
        )


def put_in_shadow(engine: Engine, version_id: int | None) -> None:
    with Session(engine) as session, session.begin():
        session.execute(update(Line).values(shadow_model_version_id=version_id))


def test_new_thresholds_count_without_loading_again(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    load = Loader()
    models = ActiveModels(engine, load, check_s=0.0)
    version_id = activate_version(review=0.5, reject=0.8)
    before = models.get(line)
    set_thresholds(engine, version_id, 0.6, 0.9)

    after = models.get(line)

    assert before is not None
    assert after is not None
    assert (after.review_threshold, after.reject_threshold) == (0.6, 0.9)
    # What a batch holds does not change under it.
    assert (before.review_threshold, before.reject_threshold) == (0.5, 0.8)
    assert after.scorer is before.scorer
    assert load.tried == [1]


def test_a_version_whose_files_are_gone_leaves_the_line_to_the_one_before(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    load = Loader(gone=[2])
    models = ActiveModels(engine, load, check_s=0.0, retry_loading_s=3600.0)
    first = activate_version()
    models.get(line)
    second = activate_version()

    ids = [models.get(line).version_id for _ in range(5)]  # type: ignore[union-attr]

    assert ids == [first] * 5
    assert load.tried == [1, 2]  # not with every batch: it takes seconds
    load.gone.clear()
    assert models.get(line).version_id == first  # type: ignore[union-attr]
    models._retry_loading_s = 0.0
    assert models.get(line).version_id == second  # type: ignore[union-attr]


def test_a_line_goes_on_when_another_version_is_activated_instead(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    load = Loader(gone=[2])
    models = ActiveModels(engine, load, check_s=0.0)
    activate_version()
    models.get(line)
    activate_version()
    models.get(line)

    third = activate_version()

    assert models.get(line).version_id == third  # type: ignore[union-attr]


def test_a_promoted_candidate_is_taken_from_the_shadow_without_loading(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    load = Loader()
    models = ActiveModels(engine, load, check_s=0.0)
    activate_version()
    second = activate_version()
    with Session(engine) as session, session.begin():
        activate(session, get_line(session, line), 1, actor=trusted("test"))
    put_in_shadow(engine, second)
    held = models.get(line)
    assert held is not None
    assert held.shadow is not None
    with Session(engine) as session, session.begin():
        activate(session, get_line(session, line), 2, actor=trusted("test"))

    swapped = models.get(line)

    assert swapped is not None
    assert (swapped.version_id, swapped.shadow) == (second, None)
    assert swapped.scorer is held.shadow.scorer
    assert sorted(load.tried) == [1, 2]


def test_a_candidate_that_cannot_be_loaded_does_not_keep_the_line_from_scoring(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    activate_version()
    second = activate_version()
    with Session(engine) as session, session.begin():
        activate(session, get_line(session, line), 1, actor=trusted("test"))
    put_in_shadow(engine, second)

    held = ActiveModels(engine, Loader(gone=[2]), check_s=0.0).get(line)

    assert held is not None
    assert held.number == 1
    assert held.shadow is not None
    assert held.shadow.scorer is None
    assert "is no trained model" in held.shadow.error


@pytest.mark.slow
def test_swaps_under_load_lose_no_frame_and_keep_each_batch_to_one_version(
    context: WorkerContext,
    redis_client: Redis,
    detector: BrightnessDetector,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
) -> None:
    # Each version has thresholds of its own; a verdict tells which were used.
    thresholds = {activate_version(0.2, 0.3): (0.2, 0.3), activate_version(0.6, 0.7): (0.6, 0.7)}
    stream = FrameStream(redis_client, "line-4")
    frames = 600
    done = threading.Event()

    def swap() -> None:
        number = 1
        while not done.wait(0.03):
            with Session(context.engine) as session, session.begin():
                activate(session, get_line(session, "line-4"), number, actor=trusted("test"))
            number = 3 - number

    def push() -> None:
        for sequence in range(frames):
            brightness = (0.1, 0.25, 0.5, 0.9)[sequence % 4]
            assert stream.push(make_frame(brightness, sequence), FullPolicy.BLOCK).accepted
            time.sleep(0.003)

    def work(name: str) -> None:
        models = ActiveModels(
            context.engine,
            lambda _: ModelScorer(detector, max_pixels=1_000_000),
            check_s=1e-6,
        )
        own = type(context)(
            name=name,
            redis=context.redis,
            engine=context.engine,
            store=context.store,
            models=models,
            # A test that stalls must not look like a worker that died: its frames would be judged
            # by the other's version, too.
            config=dataclasses.replace(context.config, visibility_timeout_s=60.0),
        )
        while not done.is_set():
            Drain(own, "line-4").run()

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(swap), pool.submit(work, "w1"), pool.submit(work, "w2")]
        pool.submit(push).result(60)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = stream.status()
            if status.waiting + status.pending == 0:
                break
            time.sleep(0.02)
        done.set()
        for one in running:
            one.result(30)

    with Session(context.engine) as session:
        rows = session.scalars(select(Inspection)).all()
    assert sorted(row.sequence for row in rows) == list(range(frames))
    assert {row.model_version_id for row in rows} == set(thresholds)
    for row in rows:
        assert row.model_version_id is not None
        assert row.score is not None
        review, reject = thresholds[row.model_version_id]
        expected = "REJECT" if row.score >= reject else "REVIEW" if row.score >= review else "PASS"
        assert row.verdict == expected
    # Rows of one batch were recorded at one moment, and name one version.
    batches: dict[object, set[int | None]] = {}
    for row in rows:
        batches.setdefault(row.recorded_at, set()).add(row.model_version_id)
    assert all(len(versions) == 1 for versions in batches.values())
