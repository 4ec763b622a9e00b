"""The trainer's processes: a retraining that is killed, cancelled or interrupted."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from db import retrainings
from db.access import trusted
from db.errors import Conflict
from db.tables import utc_now
from workers.errors import WorkerError
from workers.jobs import retrain, schedule_retrainings
from workers.retraining.scheduling import RETRAIN_QUEUE
from workers.retraining.trainer import run_horse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from tests.workers.retraining.conftest import LearningLine

pytestmark = pytest.mark.slow

STAGES = ["samples", "snapshot", "pictures", "fitting", "calibration", "gate", "registering"]


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """Puts the handlers back that a worker replaced."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def wait_until(done: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_waiting_retraining_is_done_in_a_process_of_its_own(
    taught: LearningLine, redis_url: str, redis_client: Redis
) -> None:
    retraining_id = taught.request()

    assert schedule_retrainings() == [retraining_id]
    taught.train_in_a_child(redis_url)

    row = taught.row(retraining_id)
    assert row.state == "done", row.message
    assert len(taught.versions()) == 2
    assert not list(redis_client.scan_iter("rq:job:*"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_process_killed_at_any_stage_leaves_the_champion_and_nothing_half_written(
    taught: LearningLine, redis_url: str, redis_client: Redis, stage: str
) -> None:
    before = taught.models()
    retraining_id = taught.request()
    schedule_retrainings()

    taught.train_in_a_child(redis_url, TEST_INTERRUPT_AT=stage)

    row = taught.row(retraining_id)
    assert row.state == "failed"
    assert f"{stage!r} (signal 9)" in row.message
    [champion] = taught.versions()
    assert taught.line().active_model_version_id == champion.id
    assert taught.line().shadow_model_version_id is None
    # At most what it worked in, which the next one removes.
    assert all(f.name.startswith(".retraining-") for f in taught.models() if f not in before)
    assert retrain(taught.request()) == "done"
    assert len(taught.models()) == 2


def test_a_real_bgad_killed_in_training(
    labelled: LearningLine, small_bgad: str, redis_url: str, redis_client: Redis
) -> None:
    retraining_id = labelled.request(small_bgad)
    schedule_retrainings()

    labelled.train_in_a_child(redis_url, TEST_INTERRUPT_AT="flows")

    assert "'flows' (signal 9)" in labelled.row(retraining_id).message
    assert labelled.versions() == []


def test_a_running_one_is_cancelled_from_outside(
    taught: LearningLine, redis_url: str, redis_client: Redis
) -> None:
    retraining_id = taught.request()
    schedule_retrainings()

    def ask() -> None:
        wait_until(lambda: taught.row(retraining_id).stage == "pictures")
        with Session(taught.engine) as session, session.begin():
            retrainings.ask_to_cancel(session, retraining_id, actor=trusted("anna"))

    anna = threading.Thread(target=ask)
    anna.start()
    taught.train_in_a_child(redis_url, TEST_INTERRUPT_AT="pictures", TEST_PAUSE_S="0.3")
    anna.join()

    row = taught.row(retraining_id)
    assert row.state == "cancelled"
    assert "cancelled by anna in stage 'pictures'" in row.message
    assert len(taught.versions()) == 1
    assert len(taught.models()) == 1


def test_a_trainer_that_is_stopped_gives_its_retraining_back(
    taught: LearningLine, redis_url: str, redis_client: Redis
) -> None:
    retraining_id = taught.request()
    schedule_retrainings()

    def stop() -> None:
        wait_until(lambda: taught.row(retraining_id).stage == "pictures")
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    taught.train_in_a_child(redis_url, TEST_INTERRUPT_AT="pictures", TEST_PAUSE_S="30")
    stopper.join()

    row = taught.row(retraining_id)
    assert (row.state, row.stage, row.message) == ("waiting", "", "")
    # Its failed job is forgotten after a minute; then the schedule hands it on.
    redis_client.delete(f"rq:job:retrain-{retraining_id}")
    assert schedule_retrainings() == [retraining_id]
    taught.train_in_a_child(redis_url)
    assert taught.row(retraining_id).state == "done"


def test_no_password_stands_on_a_command_line(
    taught: LearningLine, redis_url: str, redis_client: Redis
) -> None:
    # RQ's own child is told the connection on its command line, which every user can read.
    taught.request()
    schedule_retrainings()
    seen: list[str] = []

    def look() -> None:
        while not any("training_process.py" in word for word in seen):
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):  # one of another test may just end
                    seen.extend(child.cmdline())

    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    taught.train_in_a_child(redis_url, TEST_INTERRUPT_AT="pictures", TEST_PAUSE_S="0.02")
    looker.join(timeout=10)

    assert any("training_process.py" in word for word in seen)
    assert not any("Redis(" in word for word in seen)


def test_a_trainer_killed_whole_is_noticed_by_the_schedule(
    taught: LearningLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining_id = taught.request()
    with Session(taught.engine) as session, session.begin():
        retrainings.begin(session, retraining_id)
    monkeypatch.setattr("workers.retraining.scheduling.SILENT_S", 0.05)
    time.sleep(0.1)

    schedule_retrainings()

    row = taught.row(retraining_id)
    assert row.state == "failed"
    assert "nothing was heard of it" in row.message
    assert retrain(taught.request()) == "done"


def test_it_says_that_it_lives_while_the_work_is_silent(
    taught: LearningLine, redis_url: str, redis_client: Redis
) -> None:
    retraining_id = taught.request()
    schedule_retrainings()
    beats = set()

    def listen() -> None:
        def enough() -> bool:
            row = taught.row(retraining_id)
            if row.stage == "gate":
                beats.add(row.heartbeat_at)
            return len(beats) > 3

        wait_until(enough)

    listener = threading.Thread(target=listen)
    listener.start()
    taught.train_in_a_child(redis_url, TEST_INTERRUPT_AT="gate", TEST_PAUSE_S="0.1")
    listener.join()

    assert len(beats) > 3
    assert taught.row(retraining_id).state == "done"


def test_a_planted_job_is_refused_in_the_trainer_too(
    taught: LearningLine, redis_url: str, redis_client: Redis, tmp_path: object
) -> None:
    queue = Queue(RETRAIN_QUEUE, connection=redis_client, serializer=JSONSerializer)
    job = queue.enqueue("os.system", f"touch {tmp_path}/trace")

    taught.train_in_a_child(redis_url)

    refreshed = Job.fetch(job.id, connection=redis_client, serializer=JSONSerializer)
    assert refreshed.is_failed
    assert "JobNotAllowedError" in str(refreshed.latest_result().exc_string)  # type: ignore[union-attr]


def test_the_child_says_who_starts_it(taught: LearningLine, redis_url: str) -> None:
    with pytest.raises(WorkerError, match="linewatch trainer"):
        run_horse(
            redis_url=redis_url,
            database_url="sqlite:///nowhere.db",
            store_url=taught.context.store.url,
            training=taught.training,
        )


def test_one_open_retraining_a_line(taught: LearningLine) -> None:
    taught.request()

    with pytest.raises(Conflict, match="under way"):
        taught.request()
    assert taught.row(1).requested_at <= utc_now()
