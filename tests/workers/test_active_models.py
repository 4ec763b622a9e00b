"""Which model scores, and when it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session

from db import shadow
from db.access import trusted
from db.lines import add_line, get_line
from db.model_versions import activate
from db.tables import ModelVersion
from models.errors import ArtifactError
from workers.active_models import ActiveModels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from ingest.frame import Frame
    from workers.scoring import Judged, Refused


class NoScorer:
    def score(self, frames: Sequence[Frame]) -> list[Judged | Refused]:
        return []


class Loader:
    """Counts what it loads."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __call__(self, version: ModelVersion) -> NoScorer:
        self.numbers.append(version.number)
        return NoScorer()


def test_a_model_is_loaded_once_and_swapped_when_another_is_activated(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    load = Loader()
    models = ActiveModels(engine, load, check_s=0.0)
    first = activate_version()
    ids = [models.get(line).version_id for _ in range(3)]  # type: ignore[union-attr]
    second = activate_version()
    ids.append(models.get(line).version_id)  # type: ignore[union-attr]

    assert ids == [first, first, first, second]
    assert load.numbers == [1, 2]


def test_a_rollback_is_seen_too(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    models = ActiveModels(engine, Loader(), check_s=0.0)
    first = activate_version()
    activate_version()
    models.get(line)
    with Session(engine) as session, session.begin():
        activate(session, get_line(session, line), 1, actor=trusted("test"))

    active = models.get(line)

    assert active is not None
    assert active.version_id == first


def test_the_database_is_not_asked_more_often_than_told(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    load = Loader()
    models = ActiveModels(engine, load, check_s=3600.0)
    activate_version()
    models.get(line)
    activate_version()

    models.get(line)

    assert load.numbers == [1]


def test_a_line_without_a_model_or_unknown_has_none(engine: Engine, line: str) -> None:
    models = ActiveModels(engine, Loader())

    assert models.get(line) is None
    assert models.get("nobody") is None


def test_the_model_longest_unused_is_let_go(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    from db.model_versions import add_model_version

    load = Loader()
    models = ActiveModels(engine, load, check_s=0.0, max_models=1)
    activate_version()
    with Session(engine) as session, session.begin():
        other = add_line(session, "line-5", actor=trusted("test"))
        version = add_model_version(
            session,
            other,
            artifact_path="/nowhere",
            manifest={
                "detector": "d",
                "backbone": "b",
                "thresholds": {"review": 0.0, "reject": 1.0},
            },
            manifest_sha256="0" * 64,
            actor=trusted("test"),
        )
        activate(session, other, version.number, actor=trusted("test"))

    for name in (line, "line-5", line):
        models.get(name)

    assert len(load.numbers) == 3


def test_an_artifact_that_cannot_be_loaded_is_said_and_tried_again(
    engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    activate_version()
    broken = [True]

    def load(version: ModelVersion) -> NoScorer:
        if broken:
            raise ArtifactError("a byte was changed")
        return NoScorer()

    models = ActiveModels(engine, load, check_s=0.0)
    with pytest.raises(ArtifactError):
        models.get(line)
    broken.clear()

    assert models.get(line) is not None


@pytest.mark.parametrize("kind", ["active", "shadow"])
def test_a_job_whose_time_is_up_while_a_model_loads_ends_and_blames_no_model(
    kind: str, engine: Engine, line: str, activate_version: Callable[..., int]
) -> None:
    first = activate_version()
    load = Loader()

    def slow(version: ModelVersion) -> NoScorer:
        if version.number == 2 and load.numbers == [1]:
            load.numbers.append(2)
            raise JobTimeoutException("the job took too long")
        return load(version)

    models = ActiveModels(engine, slow, check_s=0.0)
    models.get(line)
    second = activate_version()
    if kind == "shadow":
        with Session(engine) as session, session.begin():
            activate(session, get_line(session, line), 1, actor=trusted("test"))
            shadow.start(session, get_line(session, line), session.get_one(ModelVersion, second))

    with pytest.raises(JobTimeoutException):
        models.get(line)
    held = models.get(line)

    assert held is not None
    assert load.numbers == [1, 2, 2]
    if kind == "active":
        assert held.version_id == second
    else:
        assert held.version_id == first
        assert held.shadow is not None
        assert held.shadow.scorer is not None
