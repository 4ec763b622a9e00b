"""When a line's model is to be trained again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import retrainings, shadow
from db.access import trusted
from db.lines import get_line
from db.samples import remove
from db.tables import ModelVersion, RetrainingReason, RetrainingState, Sample, utc_now
from workers.retraining import due
from workers.retraining.due import PAUSE_AFTER_FAILURE, is_due

if TYPE_CHECKING:
    from tests.workers.retraining.conftest import LearningLine

LINE = "line-4"
TEST = trusted("test")


@dataclass
class Dates:
    """Asks whether `line-4` is due, in so many hours."""

    learning: LearningLine

    def __call__(self, hours: float = 0.0) -> RetrainingReason | None:
        with Session(self.learning.engine) as session:
            now = utc_now() + timedelta(hours=hours)
            return is_due(session, get_line(session, LINE), now)

    def set(self, **values: object) -> None:
        with Session(self.learning.engine) as session, session.begin():
            line = get_line(session, LINE)
            for name, value in values.items():
                setattr(line, name, value)


@pytest.fixture
def due_in(taught: LearningLine) -> Dates:
    """A line with a champion; by the clock after a day, by number after ten defects."""
    return Dates(taught)


def confirm(taught: LearningLine, count: int) -> None:
    taught.label(count, first=500, defect=True)


def test_nothing_new_is_never_due(due_in: Dates) -> None:
    assert due_in(0) is None
    assert due_in(1000) is None


def test_by_the_clock_once_something_is_new(taught: LearningLine, due_in: Dates) -> None:
    confirm(taught, 1)

    assert due_in(23.9) is None
    assert due_in(24.1) is RetrainingReason.SCHEDULE
    due_in.set(retrain_every_h=None)
    assert due_in(1000) is None


def test_by_the_number_of_defects_that_wait(taught: LearningLine, due_in: Dates) -> None:
    confirm(taught, 9)
    assert due_in() is None

    taught.label(1, first=600, defect=True)

    assert due_in() is RetrainingReason.DEFECTS
    due_in.set(retrain_after_defects=None)
    assert due_in() is None


def test_by_drift(taught: LearningLine, due_in: Dates, monkeypatch: pytest.MonkeyPatch) -> None:
    before = np.random.default_rng(0).normal(0.0, 1.0, 500).tolist()
    same = np.random.default_rng(1).normal(0.0, 1.0, 500).tolist()
    moved = np.random.default_rng(2).normal(1.0, 1.0, 500).tolist()
    confirm(taught, 1)

    monkeypatch.setattr(due, "pass_scores", lambda *_, **__: (before, same))
    assert due_in() is None
    monkeypatch.setattr(due, "pass_scores", lambda *_, **__: (before, moved))
    assert due_in() is RetrainingReason.DRIFT
    due_in.set(retrain_on_drift=False)
    assert due_in() is None


def test_not_while_one_is_open_nor_while_a_candidate_is_in_the_shadow(
    taught: LearningLine, due_in: Dates
) -> None:
    confirm(taught, 10)
    retraining_id = taught.request()
    assert due_in() is None

    with Session(taught.engine) as session, session.begin():
        retrainings.ask_to_cancel(session, retraining_id, actor=TEST)
        line = get_line(session, LINE)
        shadow.start(session, line, session.query(ModelVersion).one())

    assert due_in(2) is None


def test_after_a_failure_not_for_an_hour_and_not_without_news(
    taught: LearningLine, due_in: Dates
) -> None:
    confirm(taught, 10)
    retraining_id = taught.request()
    with Session(taught.engine) as session, session.begin():
        retrainings.begin(session, retraining_id)
        retrainings.finish(session, retraining_id, RetrainingState.FAILED, message="no space")

    pause_h = PAUSE_AFTER_FAILURE.total_seconds() / 3600
    assert due_in(pause_h + 0.1) is None  # it would fail again
    taught.label(1, first=600, defect=True)
    assert due_in(pause_h - 0.1) is None
    assert due_in(pause_h + 0.1) is RetrainingReason.DEFECTS


def test_a_line_without_a_model_is_taught_and_never_due(labelled: LearningLine) -> None:
    assert Dates(labelled)(1000) is None


def test_it_is_bgad_once_there_are_defects_and_the_champions_detector_before(
    taught: LearningLine,
) -> None:
    def chosen() -> str:
        with Session(taught.engine) as session:
            return due.detector_for(session, get_line(session, LINE))

    assert chosen() == "bgad"  # four confirmed defects are on the training side
    with Session(taught.engine) as session, session.begin():
        scratched = Sample.label == "defect", Sample.side == "training"
        ids = session.scalars(select(Sample.id).where(*scratched).limit(2)).all()
        for sample_id in ids:
            remove(session, sample_id, actor=TEST, reason="a fingerprint")

    assert chosen() == "brightness"
