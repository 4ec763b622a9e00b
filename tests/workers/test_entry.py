"""A worker process: what it survives."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.orm import Session

from db.lines import add_line
from db.tables import Line
from workers.active_models import ActiveModels
from workers.config import ScoringConfig
from workers.entry import run_worker, warm_up
from workers.rq_worker import ScoringWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workers.context import WorkerContext
    from workers.scoring import FrameScorer


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """Puts the handlers back that a worker replaced."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_one_lines_broken_model_does_not_keep_the_others_cold(
    context: WorkerContext, activate_version: Callable[..., int]
) -> None:
    version_id = activate_version()
    with Session(context.engine) as session, session.begin():
        add_line(session, "line-5", actor="test")
        session.query(Line).where(Line.name == "line-5").update(
            {Line.active_model_version_id: version_id}
        )
    tried = []

    def load(version: object) -> FrameScorer:
        tried.append(version)
        raise RuntimeError("CUDA out of memory")

    context.models = ActiveModels(context.engine, load)

    warm_up(context)

    assert len(tried) == 2


@pytest.mark.usefixtures("signal_handlers", "line")
def test_a_signal_between_two_rounds_ends_a_worker_that_lost_redis_in_a_job(
    redis_url: str, context: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_redis(worker: ScoringWorker, **_: object) -> None:
        worker._state = "busy"
        worker._install_signal_handlers()  # type: ignore[no-untyped-call]
        raise RedisConnectionError("gone")

    rounds = []

    def send_signal(_: float) -> None:
        rounds.append(1)
        assert len(rounds) == 1, "the signal was lost"
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ScoringWorker, "work", lose_redis)
    monkeypatch.setattr("workers.entry.time.sleep", send_signal)

    run_worker(
        redis_url=redis_url,
        database_url=str(context.engine.url),
        store_url=str(tmp_path / "store"),
        config=ScoringConfig(),
    )

    assert rounds == [1]


def test_a_worker_whose_redis_is_gone_ends_its_listening_thread(
    redis_client: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = ScoringWorker("score", redis_client, "w")  # type: ignore[arg-type]
    worker.subscribe()  # type: ignore[no-untyped-call]

    def gone() -> None:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(worker, "register_death", gone)
    with pytest.raises(RedisConnectionError):
        worker.teardown()

    thread = worker.pubsub_thread
    assert thread is not None
    assert not thread._running.is_set()
    # Any message wakes it, and then it must be gone: left alone, it would fail in another test.
    assert worker.pubsub is not None
    worker.pubsub.unsubscribe()
    thread.join(5)
    assert not thread.is_alive()
