"""A line's versions as a page lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from uuid_utils.compat import uuid7

from db.access import trusted
from db.lines import add_line
from db.model_overview import VersionState, get_overview, list_overviews
from db.model_versions import activate, add_model_version, retire
from db.tables import DatasetSnapshot, Sample, SnapshotItem, SnapshotUse

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.tables import Line, ModelVersion

ANNA = trusted("anna")
MANIFEST = {
    "detector": "bgad",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": {"review": 1.0, "reject": 2.0},
}


@pytest.fixture
def line(session: Session) -> Line:
    return add_line(session, "press", actor=ANNA)


def add(
    session: Session,
    line: Line,
    *,
    has_passed: bool | None = None,
    snapshot_id: int | None = None,
) -> ModelVersion:
    return add_model_version(
        session,
        line,
        artifact_path="/models/a",
        manifest=MANIFEST,
        manifest_sha256="ab" * 32,
        has_passed_gate=has_passed,
        snapshot_id=snapshot_id,
        actor=ANNA,
    )


def states(session: Session, line: Line) -> dict[int, VersionState]:
    return {one.version.number: one.state for one in list_overviews(session, line)}


def test_each_version_has_its_state(session: Session, line: Line) -> None:
    for has_passed in (None, None, True, False, True, True, None):
        add(session, line, has_passed=has_passed)
    retire(session, line, 1, actor=ANNA)
    activate(session, line, 3, actor=ANNA)
    line.shadow_model_version_id = list_overviews(session, line)[2].version.id  # number 5
    session.commit()

    assert states(session, line) == {
        7: VersionState.NOT_COMPARED,
        6: VersionState.CANDIDATE,
        5: VersionState.SHADOW,
        4: VersionState.FAILED_GATE,
        3: VersionState.ACTIVE,
        2: VersionState.EARLIER,
        1: VersionState.RETIRED,
    }


def test_without_an_active_version_none_is_earlier(session: Session, line: Line) -> None:
    add(session, line)
    add(session, line, has_passed=True)

    assert states(session, line) == {2: VersionState.CANDIDATE, 1: VersionState.NOT_COMPARED}


def test_frames_of_the_snapshot_are_counted_by_use(session: Session, line: Line) -> None:
    snapshot = DatasetSnapshot(line_id=line.id, created_by="anna", sha256="0" * 64)
    session.add(snapshot)
    session.flush()
    for use, label in (("normal", "good"), ("normal", "good"), ("anomaly", "defect")):
        sample = Sample(
            line_id=line.id, frame_id=uuid7(), source="import", label=label, image_key="ab/c.png"
        )
        session.add(sample)
        session.flush()
        session.add(
            SnapshotItem(
                snapshot_id=snapshot.id,
                sample_id=sample.id,
                use=use,
                label=label,
                image_key="ab/c.png",
            )
        )
    elsewhere = add(session, line)
    here = add(session, line, snapshot_id=snapshot.id)
    session.commit()

    listed = list_overviews(session, line)[0]
    alone = get_overview(session, line, here.id)

    assert listed.trained_on == alone.trained_on == {"normal": 2, "anomaly": 1}
    assert listed.count(SnapshotUse.NORMAL, SnapshotUse.HELD_OUT) == 2
    assert get_overview(session, line, elsewhere.id).trained_on is None


def test_the_newest_come_first_and_others_lines_not_at_all(session: Session, line: Line) -> None:
    other = add_line(session, "mill", actor=ANNA)
    add(session, other)
    for _ in range(3):
        add(session, line)

    assert [one.version.number for one in list_overviews(session, line, limit=2)] == [3, 2]
