"""Promotion: what lets a candidate score, and what keeps it from that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from db import audit
from db.access import Actor, trusted
from db.errors import Conflict, Forbidden
from db.model_versions import activate, add_model_version, promote, retire, scoring
from db.shadow import start
from db.tables import ModelVersion, Teaching, User

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.db.conftest import Plant

ANNA = trusted("anna")
MANIFEST = {"detector": "bgad", "backbone": "b", "thresholds": {"review": 1.0, "reject": 2.0}}
PASSED = {"champion": {"number": 1}, "reasons": []}
SEEN = {"frames": 200, "ended": None}


def add(session: Session, plant: Plant, **changes: Any) -> ModelVersion:
    """A candidate that may be promoted, unless `changes` say otherwise."""
    version = add_model_version(
        session,
        plant.line,
        artifact_path="/models/2",
        manifest=MANIFEST,
        manifest_sha256="1" * 64,
        actor=ANNA,
        gate=PASSED,
        has_passed_gate=True,
    )
    for name, value in ({"shadow": SEEN} | changes).items():
        setattr(version, name, value)
    session.flush()
    return version


def test_a_candidate_with_gate_and_shadow_is_promoted(session: Session, plant: Plant) -> None:
    candidate = add(session, plant)

    promoted = promote(session, plant.line, candidate.number, actor=ANNA)

    assert promoted is candidate
    assert plant.line.active_model_version_id == candidate.id
    session.commit()
    [event] = audit.list_events(session, limit=1)
    assert (event.action, event.details) == ("model.promoted", {"number": 2, "former": 1})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"has_passed_gate": False, "gate": {"reasons": ["3 escape"]}}, r"its gate \(3 escape\)"),
        ({"has_passed_gate": None, "gate": None}, "never compared"),
        ({"gate": {"champion": {"number": 7}}}, "compared with version 7, and version 1 scores"),
        ({"gate": {"champion": None}}, "compared with no version"),
        ({"shadow": None}, "never in the shadow"),
        ({"shadow": {"ended": "it failed: x"}}, "did not get through its shadow: it failed: x"),
    ],
)
def test_what_keeps_a_candidate_from_it_is_said(
    session: Session, plant: Plant, changes: dict[str, Any], reason: str
) -> None:
    candidate = add(session, plant, **changes)

    with pytest.raises(Conflict, match=reason):
        promote(session, plant.line, candidate.number, actor=ANNA)

    assert plant.line.active_model_version_id == plant.version_id


def test_one_in_the_shadow_waits_for_its_frames(session: Session, plant: Plant) -> None:
    candidate = add(session, plant, shadow=None)
    start(session, plant.line, candidate)

    with pytest.raises(Conflict, match="until it has seen 200 frames"):
        promote(session, plant.line, candidate.number, actor=ANNA)


def test_a_retired_one_and_the_active_one_are_not_promoted(session: Session, plant: Plant) -> None:
    candidate = add(session, plant)
    retire(session, plant.line, candidate.number, actor=ANNA)

    with pytest.raises(Conflict, match="is retired"):
        promote(session, plant.line, candidate.number, actor=ANNA)
    with pytest.raises(Conflict, match="scores already"):
        promote(session, plant.line, 1, actor=ANNA)


def test_a_line_without_a_model_asks_for_the_gate_only(session: Session, plant: Plant) -> None:
    candidate = add(session, plant, shadow=None, gate={"champion": None})
    plant.line.active_model_version_id = None
    session.flush()

    promote(session, plant.line, candidate.number, actor=ANNA)

    assert plant.line.active_model_version_id == candidate.id


def test_operators_do_not_promote(session: Session, plant: Plant) -> None:
    session.add(User(name="otto", role="operator"))
    candidate = add(session, plant)

    with pytest.raises(Forbidden):
        promote(session, plant.line, candidate.number, actor=Actor("otto"))


def test_nobody_activates_a_version_that_did_not_pass_its_gate(
    session: Session, plant: Plant
) -> None:
    add(session, plant, has_passed_gate=False, gate={"reasons": ["3 escape"]})

    with pytest.raises(Conflict, match=r"its gate \(3 escape\)"):
        activate(session, plant.line, 2, actor=ANNA)


def test_rolling_back_is_activating_the_older_one(session: Session, plant: Plant) -> None:
    add(session, plant)
    promote(session, plant.line, 2, actor=ANNA)

    activate(session, plant.line, 1, actor=ANNA)

    assert plant.line.active_model_version_id == plant.version_id


def test_another_version_that_is_made_active_ends_the_shadow(
    session: Session, plant: Plant
) -> None:
    candidate, other = add(session, plant, shadow=None), add(session, plant, has_passed_gate=None)
    start(session, plant.line, candidate)

    activate(session, plant.line, other.number, actor=ANNA)

    assert plant.line.shadow_model_version_id is None
    assert candidate.shadow == {"ended": "version 3 was made the line's model meanwhile"}


def test_an_activated_candidate_leaves_the_shadow_and_so_does_a_retired_one(
    session: Session, plant: Plant
) -> None:
    first, second = add(session, plant, shadow=None), add(session, plant, shadow=None)
    start(session, plant.line, first)
    activate(session, plant.line, first.number, actor=ANNA)
    assert (plant.line.shadow_model_version_id, first.shadow) == (None, None)

    start(session, plant.line, second)
    retire(session, plant.line, second.number, actor=ANNA)

    assert plant.line.shadow_model_version_id is None
    assert second.shadow == {"ended": "it was retired by anna"}


def test_what_scores_is_told_with_shadow_and_teaching(session: Session, plant: Plant) -> None:
    candidate = add(session, plant, shadow=None)
    alone = scoring(session, "press")
    assert alone is not None
    assert (alone.line_id, alone.active.number) == (plant.line_id, 1)
    assert (alone.shadow, alone.teaching_id) == (None, None)

    start(session, plant.line, candidate)
    for state in ("done", "collecting"):
        session.add(
            Teaching(
                line_id=plant.line_id,
                frames_wanted=20,
                detector="patchcore",
                started_by="anna",
                state=state,
            )
        )
    session.flush()

    found = scoring(session, "press")
    assert found is not None
    assert found.shadow is candidate
    assert found.teaching_id is not None
    assert scoring(session, "nobody") is None
