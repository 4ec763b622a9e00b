"""What a retraining says while it works, and what it hears."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from db import retrainings
from db.access import trusted
from db.errors import DatabaseUnavailable
from db.tables import RetrainingState
from workers.errors import RetrainingCancelled, RetrainingGivenUp
from workers.retraining import reporter
from workers.retraining.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.workers.retraining.conftest import LearningLine


@pytest.fixture
def running(learning: LearningLine) -> int:
    """A retraining that runs."""
    retraining_id = learning.request()
    with Session(learning.engine) as session, session.begin():
        retrainings.begin(session, retraining_id)
    return retraining_id


def keep_telling(told: Reporter, action: Callable[[], None]) -> None:
    """Tell of one stage for ten seconds, with `action` after the first word."""
    told.tell("flows", 0, 1000)
    action()
    for done in range(1000):
        time.sleep(0.01)
        told.tell("flows", done, 1000)


def test_a_new_stage_is_written_at_once_and_progress_now_and_then(
    learning: LearningLine, running: int
) -> None:
    with Reporter(learning.engine, running, every_s=0.05) as told:
        told.tell("flows", 0, 20)
        first = learning.row(running)
        told.tell("flows", 7, 20)
        deadline = time.monotonic() + 10
        while learning.row(running).done != 7:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    assert (first.stage, first.done, first.total) == ("flows", 0, 20)


def test_a_cancellation_is_heard_within_a_stage(learning: LearningLine, running: int) -> None:
    def ask() -> None:
        with Session(learning.engine) as session, session.begin():
            retrainings.ask_to_cancel(session, running, actor=trusted("anna"))

    said = Reporter(learning.engine, running, every_s=0.05)
    with said as told, pytest.raises(RetrainingCancelled):
        keep_telling(told, ask)


def test_one_that_was_given_up_stops(learning: LearningLine, running: int) -> None:
    def give_up() -> None:
        with Session(learning.engine) as session, session.begin():
            retrainings.finish(session, running, RetrainingState.FAILED)

    with Reporter(learning.engine, running, every_s=0.05) as told, pytest.raises(RetrainingGivenUp):
        keep_telling(told, give_up)


def test_a_database_that_is_away_does_not_end_the_work(
    learning: LearningLine, running: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("the connection broke")

    monkeypatch.setattr(reporter, "report", away)

    with Reporter(learning.engine, running, every_s=0.01) as told:
        for stage in ("features", "flows", "gate"):
            told.tell(stage, 0, 1)
            time.sleep(0.03)

    assert learning.row(running).state == "running"
