"""Retrainings: one open a line, and what each state lets happen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db import audit
from db.access import Actor, trusted
from db.errors import Conflict, Forbidden, NotFound
from db.lines import get_line
from db.retrainings import (
    Wish,
    ask_to_cancel,
    begin,
    fail_silent,
    finish,
    get_retraining,
    give_back,
    has_news,
    last_finished,
    list_retrainings,
    open_retraining,
    report,
    request,
    waiting_ids,
)
from db.samples import add as add_sample
from db.samples import remove as remove_sample
from db.samples import restore as restore_sample
from db.tables import (
    Retraining,
    RetrainingReason,
    RetrainingState,
    SampleLabel,
    SampleSource,
    Teaching,
    User,
    utc_now,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from tests.db.conftest import Plant

ANNA = trusted("anna")


@pytest.fixture
def asked(session: Session, plant: Plant) -> Retraining:
    """A retraining of `press` that waits."""
    return request(session, plant.line, reason=RetrainingReason.PERSON, actor=ANNA)


def test_a_request_waits_and_is_told(session: Session, plant: Plant) -> None:
    asked = request(
        session, plant.line, reason=RetrainingReason.DRIFT, actor=ANNA, detector="patchcore"
    )

    assert (asked.state, asked.reason, asked.detector) == ("waiting", "drift", "patchcore")
    assert asked.requested_by == "anna"
    assert open_retraining(session, plant.line_id) is asked
    assert waiting_ids(session) == [asked.id]
    session.commit()
    [event] = audit.list_events(session, limit=1)
    assert (event.action, event.actor, event.subject) == (
        "retraining.requested",
        "anna",
        "line:press",
    )


def test_there_is_one_open_a_line_and_another_after_its_end(
    session: Session, plant: Plant, asked: Retraining
) -> None:
    with pytest.raises(Conflict, match="under way"):
        request(session, plant.line, reason=RetrainingReason.PERSON, actor=ANNA)
    begin(session, asked.id)
    with pytest.raises(Conflict, match="under way"):
        request(session, plant.line, reason=RetrainingReason.PERSON, actor=ANNA)

    finish(session, asked.id, RetrainingState.DONE)

    second = request(session, plant.line, reason=RetrainingReason.PERSON, actor=ANNA)
    assert [one.id for one in list_retrainings(session, plant.line_id)] == [second.id, asked.id]
    assert list_retrainings(session, plant.line_id, limit=1) == [second]


def test_of_many_requests_at_once_one_is_taken(engine: Engine, plant: Plant) -> None:
    def ask(_: int) -> bool:
        try:
            with Session(engine) as own, own.begin():
                line = get_line(own, "press")
                request(own, line, reason=RetrainingReason.SCHEDULE, actor=ANNA)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(ask, range(8)))

    assert sum(taken) == 1


def test_of_many_trainers_one_begins(engine: Engine, session: Session, asked: Retraining) -> None:
    retraining_id = asked.id
    session.commit()

    def take(_: int) -> bool:
        with Session(engine) as own, own.begin():
            return begin(own, retraining_id) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_operators_neither_ask_nor_cancel(
    session: Session, plant: Plant, asked: Retraining
) -> None:
    session.add(User(name="otto", role="operator"))
    otto = Actor("otto")

    with pytest.raises(Forbidden):
        request(session, plant.line, reason=RetrainingReason.PERSON, actor=otto)
    with pytest.raises(Forbidden):
        ask_to_cancel(session, asked.id, actor=otto)


def test_progress_is_kept_and_says_to_go_on(session: Session, asked: Retraining) -> None:
    begun = begin(session, asked.id)
    assert begun is not None
    now = utc_now()

    wish = report(session, asked.id, stage="flows", done=3, total=20, now=now)

    row = get_retraining(session, asked.id)
    assert wish is Wish.GO_ON
    assert (row.stage, row.done, row.total, row.heartbeat_at) == ("flows", 3, 20, now)


def test_one_that_waits_is_cancelled_at_once(session: Session, asked: Retraining) -> None:
    ask_to_cancel(session, asked.id, actor=ANNA)

    row = get_retraining(session, asked.id)
    assert (row.state, row.cancel_asked_by) == ("cancelled", "anna")
    assert row.finished_at is not None
    assert begin(session, asked.id) is None


def test_one_that_runs_hears_of_it_and_cannot_be_done_any_more(
    session: Session, asked: Retraining
) -> None:
    begin(session, asked.id)

    ask_to_cancel(session, asked.id, actor=ANNA)

    assert get_retraining(session, asked.id).state == "running"
    said = report(session, asked.id, stage="flows", done=3, total=20, now=utc_now())
    assert said is Wish.CANCEL
    assert finish(session, asked.id, RetrainingState.DONE) is False
    assert finish(session, asked.id, RetrainingState.CANCELLED) is True


def test_what_has_ended_cannot_be_cancelled_nor_ended_again(
    session: Session, asked: Retraining
) -> None:
    begin(session, asked.id)
    finish(session, asked.id, RetrainingState.FAILED, message="no space")

    with pytest.raises(Conflict, match="ended already: it is failed"):
        ask_to_cancel(session, asked.id, actor=ANNA)
    assert finish(session, asked.id, RetrainingState.DONE) is False
    assert report(session, asked.id, stage="", done=0, total=0, now=utc_now()) is Wish.GIVE_UP
    assert get_retraining(session, asked.id).message == "no space"
    with pytest.raises(NotFound):
        ask_to_cancel(session, 999, actor=ANNA)


def test_a_given_back_one_waits_again_unless_it_is_to_end(
    session: Session, asked: Retraining
) -> None:
    begin(session, asked.id)

    assert give_back(session, asked.id) is True
    assert waiting_ids(session) == [asked.id]
    begin(session, asked.id)
    ask_to_cancel(session, asked.id, actor=ANNA)

    assert give_back(session, asked.id) is False


def test_one_not_heard_of_for_long_has_failed_or_was_cancelled(
    session: Session, plant: Plant, asked: Retraining
) -> None:
    begin(session, asked.id)
    now = utc_now()

    assert fail_silent(session, now=now + timedelta(seconds=100), silent_s=180) == []
    assert fail_silent(session, now=now + timedelta(seconds=200), silent_s=180) == [asked.id]

    row = get_retraining(session, asked.id)
    assert row.state == "failed"
    assert "180 s" in row.message
    second = request(session, plant.line, reason=RetrainingReason.PERSON, actor=ANNA)
    begin(session, second.id)
    ask_to_cancel(session, second.id, actor=ANNA)
    fail_silent(session, now=now + timedelta(seconds=400), silent_s=180)
    assert get_retraining(session, second.id).state == "cancelled"
    assert last_finished(session, plant.line_id) is second


def test_a_waiting_one_is_never_silent(session: Session, asked: Retraining) -> None:
    assert fail_silent(session, now=utc_now() + timedelta(days=9), silent_s=180) == []


@pytest.mark.parametrize(
    ("state", "version", "after"),
    [
        ("done", True, "done"),
        ("failed", False, "looking_over"),
        ("cancelled", False, "looking_over"),
    ],
)
def test_a_teaching_hears_of_the_end(
    session: Session, plant: Plant, state: str, version: bool, after: str
) -> None:
    teaching = Teaching(
        line_id=plant.line_id,
        frames_wanted=20,
        detector="patchcore",
        started_by="anna",
        state="training",
    )
    session.add(teaching)
    session.flush()
    asked = request(
        session,
        plant.line,
        reason=RetrainingReason.TEACHING,
        actor=ANNA,
        teaching_id=teaching.id,
    )
    begin(session, asked.id)

    finish(
        session,
        asked.id,
        RetrainingState(state),
        model_version_id=plant.version_id if version else None,
    )

    session.refresh(teaching)
    assert teaching.state == after


def test_cancelled_before_it_began_the_teaching_is_looked_over_again(
    session: Session, plant: Plant
) -> None:
    teaching = Teaching(
        line_id=plant.line_id,
        frames_wanted=20,
        detector="patchcore",
        started_by="anna",
        state="training",
    )
    session.add(teaching)
    session.flush()
    reason = RetrainingReason.TEACHING
    asked = request(session, plant.line, reason=reason, actor=ANNA, teaching_id=teaching.id)

    ask_to_cancel(session, asked.id, actor=ANNA)

    session.refresh(teaching)
    assert teaching.state == "looking_over"


def test_news_are_samples_added_changed_or_taken_out_since(session: Session, plant: Plant) -> None:
    start = utc_now()
    assert has_news(session, plant.line_id, None) is False

    sample = add_sample(
        session,
        line_id=plant.line_id,
        frame_id=uuid7(),
        source=SampleSource.IMPORT,
        label=SampleLabel.GOOD,
        image_key="ab/" + "ab" * 32 + ".png",
    )

    assert has_news(session, plant.line_id, None) is True
    assert has_news(session, plant.line_id, start) is True
    for change in (remove_sample, restore_sample):
        before = utc_now()
        assert has_news(session, plant.line_id, before) is False
        change(session, sample.id, actor=ANNA, reason="an oily lens")
        assert has_news(session, plant.line_id, before) is True
