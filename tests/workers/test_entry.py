"""A worker process: what it survives."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from db.access import trusted
from db.lines import add_line
from db.tables import Line
from workers.active_models import ActiveModels
from workers.entry import warm_up

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
        add_line(session, "line-5", actor=trusted("test"))
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


#: A worker that loses Redis in its first job, and is sent SIGTERM before its second round.
INTERRUPTED = """
import os, signal, sys
from redis.exceptions import ConnectionError as RedisConnectionError
import workers.entry
from workers.config import ScoringConfig
from workers.rq_worker import ScoringWorker

def lose_redis(worker, **_):
    worker._state = "busy"
    worker._install_signal_handlers()
    raise RedisConnectionError("gone")

rounds = []

def send_signal(_):
    rounds.append(1)
    assert len(rounds) == 1, "the signal was lost"
    os.kill(os.getpid(), signal.SIGTERM)

ScoringWorker.work = lose_redis
workers.entry.time.sleep = send_signal
redis_url, database_url, store_url = sys.argv[1:]
workers.entry.run_worker(
    redis_url=redis_url, database_url=database_url, store_url=store_url, config=ScoringConfig()
)
print("ended after", len(rounds), "round")
"""


@pytest.mark.usefixtures("line")
def test_a_signal_between_two_rounds_ends_a_worker_that_lost_redis_in_a_job(
    redis_url: str, context: WorkerContext, tmp_path: Path
) -> None:
    # In a process of its own: a signal is not to meet what other tests left in this one.
    database_url = context.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", INTERRUPTED, redis_url, database_url, str(tmp_path / "store")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "ended after 1 round"
