"""Lines and cameras, also when two workers meet them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import audit
from db.access import trusted
from db.errors import Conflict, NotFound
from db.lines import (
    add_line,
    get_line,
    get_or_add_camera,
    list_cameras,
    list_lines,
    record_stream_status,
)
from db.tables import Camera, Line, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Plant
    from sqlalchemy.engine import Engine


def test_a_line_is_added_with_who_did_it(session: Session) -> None:
    line = add_line(session, "press", description="hall 2", actor=trusted("anna"))
    session.commit()

    assert get_line(session, "press") is line
    assert (line.description, line.active_model_version_id) == ("hall 2", None)
    (event,) = audit.list_events(session)
    assert (event.actor, event.action, event.subject) == ("anna", "line.added", "line:press")


def test_a_name_that_is_taken_is_a_conflict_and_the_session_lives_on(session: Session) -> None:
    add_line(session, "press", actor=trusted("anna"))

    with pytest.raises(Conflict, match="there is a line 'press' already: choose another name"):
        add_line(session, "press", actor=trusted("bert"))
    add_line(session, "mill", actor=trusted("bert"))
    session.commit()

    assert [line.name for line in list_lines(session)] == ["mill", "press"]


def test_an_unknown_line_is_refused_with_those_there_are(session: Session) -> None:
    with pytest.raises(NotFound, match=r"no line 'pres'; known: none: add it with `linewatch"):
        get_line(session, "pres")
    add_line(session, "press", actor=trusted("anna"))

    with pytest.raises(NotFound, match=r"no line 'pres'; known: press"):
        get_line(session, "pres")


def test_a_camera_is_added_once_for_each_line(
    add_plant: Callable[..., Plant], session: Session
) -> None:
    press, mill = add_plant("press", []), add_plant("mill", [])

    first = get_or_add_camera(session, press.line_id, "top")
    again = get_or_add_camera(session, press.line_id, "top")
    elsewhere = get_or_add_camera(session, mill.line_id, "top")

    assert first is again
    assert first.id != elsewhere.id
    assert [camera.name for camera in list_cameras(session, press.line_id)] == ["top"]


def test_workers_that_add_the_same_cameras_at_once_get_the_same(
    engine: Engine, session: Session
) -> None:
    line_id = add_line(session, "press", actor=trusted("anna")).id
    session.commit()
    together = Barrier(4)

    def add(_worker: int) -> list[int]:
        ids = []
        for number in range(10):
            together.wait(timeout=20)
            with Session(engine) as own, own.begin():
                ids.append(get_or_add_camera(own, line_id, f"camera-{number}").id)
        return ids

    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(add, range(4)))

    assert found[0] == found[1] == found[2] == found[3]
    assert session.scalar(select(func.count()).select_from(Camera)) == 10


def test_the_streams_state_is_kept_and_unknown_cameras_are_added(
    add_plant: Callable[..., Plant], session: Session
) -> None:
    plant = add_plant(cameras=["left"])
    before = utc_now()

    record_stream_status(
        session,
        plant.line_id,
        waiting=7,
        pending=3,
        cameras={"right": (10, 0, 2), "left": (20, 1, 0)},
    )
    session.commit()

    line = session.get_one(Line, plant.line_id)
    assert (line.frames_waiting, line.frames_pending) == (7, 3)
    assert line.status_at is not None
    assert before <= line.status_at <= utc_now()
    counts = [
        (c.name, c.frames_pushed, c.frames_dropped, c.frames_uninspected)
        for c in list_cameras(session, plant.line_id)
    ]
    assert counts == [("left", 20, 1, 0), ("right", 10, 0, 2)]
