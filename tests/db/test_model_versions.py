"""Model versions: numbers, activation and roll-back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.orm import Session

from db import audit
from db.access import trusted
from db.errors import Conflict, NotFound
from db.lines import add_line, get_line
from db.model_versions import (
    activate,
    active_version,
    add_model_version,
    list_model_versions,
    retire,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from db.tables import Line, ModelVersion

MANIFEST = {
    "detector": "patchcore",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": {"review": 1.25, "reject": 2.5},
}


def add(session: Session, line: Line, manifest: dict[str, Any] = MANIFEST) -> ModelVersion:
    return add_model_version(
        session,
        line,
        artifact_path="/models/a",
        manifest=manifest,
        manifest_sha256="ab" * 32,
        actor=trusted("anna"),
    )


@pytest.fixture
def line(session: Session) -> Line:
    made = add_line(session, "press", actor=trusted("anna"))
    session.commit()
    return made


def actions(session: Session) -> list[tuple[str, dict[str, Any]]]:
    """What the audit trail tells, oldest first, without the line's own entry."""
    events = reversed(audit.list_events(session, subject="line:press"))
    return [(event.action, event.details) for event in events][1:]


def numbers(versions: Iterable[ModelVersion]) -> list[int]:
    return [version.number for version in versions]


def test_versions_of_a_line_are_numbered_from_one(session: Session, line: Line) -> None:
    other = add_line(session, "mill", actor=trusted("anna"))

    made = [add(session, line), add(session, line), add(session, other)]
    session.commit()

    assert numbers(made) == [1, 2, 1]
    assert numbers(list_model_versions(session, line)) == [2, 1]


def test_a_version_takes_its_facts_from_the_manifest(session: Session, line: Line) -> None:
    add(session, line)
    session.commit()

    (version,) = list_model_versions(session, line)

    assert (version.detector, version.backbone) == ("patchcore", "tf_efficientnet_lite0")
    assert (version.review_threshold, version.reject_threshold) == (1.25, 2.5)
    assert version.manifest == MANIFEST
    assert (version.created_by, version.manifest_sha256) == ("anna", "ab" * 32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"thresholds": {"review": 1.0}}, "lacks the numbers"),
        ({"thresholds": None}, "lacks the numbers"),
        ({"thresholds": {"review": 3.0, "reject": 2.0}}, "review 3.0 and reject 2.0 must be"),
        ({"thresholds": {"review": 1.0, "reject": float("nan")}}, "must be finite"),
        ({"detector": ""}, "lacks the text 'detector'"),
    ],
)
def test_a_manifest_that_lacks_something_is_refused(
    session: Session, line: Line, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        add(session, line, {**MANIFEST, **change})


def test_no_version_is_active_until_one_is_activated(session: Session, line: Line) -> None:
    add(session, line)
    session.commit()
    assert active_version(session, "press") is None

    version = activate(session, line, 1, actor=trusted("bert"))
    session.commit()

    assert active_version(session, "press") is version
    assert active_version(session, "no such line") is None


def test_rolling_back_is_activating_an_older_number_and_is_told(
    session: Session, line: Line
) -> None:
    add(session, line)
    add(session, line)
    for number in (1, 2, 1):
        activate(session, line, number, actor=trusted("bert"))
    session.commit()

    assert active_version(session, "press").number == 1
    assert [entry for entry in actions(session) if entry[0] == "model.activated"] == [
        ("model.activated", {"number": 1, "former": None}),
        ("model.activated", {"number": 2, "former": 1}),
        ("model.activated", {"number": 1, "former": 2}),
    ]


def test_activating_the_active_version_changes_and_tells_nothing(
    session: Session, line: Line
) -> None:
    add(session, line)
    activate(session, line, 1, actor=trusted("bert"))
    told = len(actions(session))

    activate(session, line, 1, actor=trusted("bert"))

    assert len(actions(session)) == told


def test_a_number_of_another_line_is_not_found(session: Session, line: Line) -> None:
    mill = add_line(session, "mill", actor=trusted("anna"))
    add(session, line)
    add(session, line)
    add(session, mill)

    with pytest.raises(NotFound, match="line 'mill' has no model version 2"):
        activate(session, mill, 2, actor=trusted("bert"))


def test_a_retired_version_cannot_be_activated(session: Session, line: Line) -> None:
    add(session, line)
    retire(session, line, 1, actor=trusted("bert"))

    with pytest.raises(Conflict, match=r"version 1 of line 'press' is retired since .* UTC"):
        activate(session, line, 1, actor=trusted("bert"))
    session.commit()

    assert active_version(session, "press") is None
    assert actions(session)[-1] == ("model.retired", {"number": 1})


def test_the_active_version_cannot_be_retired(session: Session, line: Line) -> None:
    add(session, line)
    activate(session, line, 1, actor=trusted("bert"))

    with pytest.raises(Conflict, match="is active: activate another one first"):
        retire(session, line, 1, actor=trusted("bert"))


def test_versions_added_at_once_get_numbers_of_their_own(engine: Engine, line: Line) -> None:
    def add_five(_trainer: int) -> list[int]:
        made = []
        for _ in range(5):
            with Session(engine) as own, own.begin():
                made.append(add(own, get_line(own, "press")).number)
        return made

    with ThreadPoolExecutor(4) as trainers:
        found = [n for made in trainers.map(add_five, range(4)) for n in made]

    assert sorted(found) == list(range(1, 21))


def test_activating_and_retiring_at_once_never_leaves_a_retired_version_active(
    engine: Engine, session: Session, line: Line
) -> None:
    for _ in range(10):
        add(session, line)
    session.commit()

    def race(change: Any) -> list[bool]:
        done = []
        for number in range(1, 11):
            try:
                with Session(engine) as own, own.begin():
                    change(own, get_line(own, "press"), number, actor=trusted("bert"))
                done.append(True)
            except Conflict:
                done.append(False)
        return done

    with ThreadPoolExecutor(2) as people:
        activated, retired = people.map(race, [activate, retire])

    # A version is retired first and then refused, or active first and then kept or replaced.
    assert all(a or r for a, r in zip(activated, retired, strict=True))
    session.expire_all()
    active = active_version(session, "press")
    assert active is None or active.retired_at is None


def test_a_version_whose_files_are_gone_is_not_activated(
    session: Session, line: Line, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "press-1"
    version = add(session, line)
    version.artifact_path = str(folder)
    activate(session, line, 1, actor=trusted("anna"))  # its folder cannot be seen from here
    session.rollback()
    folder.parent.mkdir()
    version = add(session, line)
    version.artifact_path = str(folder)

    with pytest.raises(Conflict, match="the files of model version 1 of line 'press' are gone"):
        activate(session, line, 1, actor=trusted("anna"))

    folder.mkdir()
    assert activate(session, line, 1, actor=trusted("anna")) is version
