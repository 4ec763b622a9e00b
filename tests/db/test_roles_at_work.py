"""What workers, trainer, scheduler and dashboard do, each with its own role on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import inspections, migrate, quarantine, retrainings, samples, shadow, sides, teachings
from db.access import Actor, trusted
from db.audit_chain import verify
from db.defect_classes import list_classes, set_classes
from db.dismissals import dismiss
from db.engine import make_engine
from db.lines import add_line, get_line, get_or_add_camera, list_lines, record_stream_status
from db.login_sessions import close_session, open_session, session_user
from db.logins import authenticate
from db.model_versions import activate, add_model_version, retire, scoring
from db.retention import let_go_of_pass_frames, let_go_of_quarantine
from db.review_claims import claim, release, renew
from db.review_queue import Wanted, counts
from db.reviews import add_review, undo
from db.revision import check
from db.roles import DASHBOARD, METRICS, ROLES, WORKER, Role, make_roles
from db.tables import (
    Decision,
    Inspection,
    RetrainingReason,
    RetrainingState,
    ReviewQueue,
    SampleLabel,
    SampleSource,
    utc_now,
)
from db.tables import Role as UserRole
from db.thresholds import set_thresholds
from db.users import add_user, disable, set_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from sqlalchemy import Engine

PASSWORDS = {role.name: f"secret of {role.name}" for role in ROLES}
ANNA = Actor("anna")
MANIFEST = {
    "detector": "patchcore",
    "backbone": "tf_efficientnet_lite0",
    "thresholds": {"review": 1.0, "reject": 2.0},
    "map_thresholds": {"review": 0.5, "reject": 1.5},
}


@pytest.fixture(scope="module")
def engines(open_databases: Callable[[str], Any]) -> Iterator[dict[Role | None, Engine]]:
    """An engine for each role, and the owner's, on a plant with a line, a model and a user."""
    databases = open_databases("postgresql")
    url = databases.make()
    migrate.upgrade(url)
    owner = make_engine(url)
    logins = make_roles(owner, PASSWORDS)
    with Session(owner) as session, session.begin():
        line = add_line(session, "press", actor=trusted("ana"))
        add_version(session, line)
        activate(session, line, 1, actor=trusted("ana"))
        add_user(
            session, "anna", UserRole.ADMIN, password="a long word for anna", actor=trusted("ana")
        )
    engines: dict[Role | None, Engine] = {None: owner}
    for role, login in zip(ROLES, logins, strict=True):
        engines[role] = make_engine(
            owner.url.set(username=login, password=PASSWORDS[role.name], host=owner.url.host)
        )
    yield engines
    for engine in engines.values():
        engine.dispose()
    databases.drop(url, logins)


def add_version(session: Session, line: Any) -> Any:
    return add_model_version(
        session,
        line,
        artifact_path="/models/1",
        manifest=MANIFEST,
        manifest_sha256="0" * 64,
        actor=trusted("trainer"),
    )


def part(session: Session, verdict: str, **changes: Any) -> dict[str, Any]:
    now = scoring(session, "press")
    assert now is not None
    camera = get_or_add_camera(session, now.line_id, "top").id
    nothing = ("part_id", "reason", "map_key", "map_low", "map_high")
    return {
        "frame_id": uuid4(), "line_id": now.line_id, "camera_id": camera, "sequence": 1,
        "model_version_id": now.active.id, "captured_at": utc_now(), "recorded_at": utc_now(),
        "score_ms": 1.0, "score": 3.0, "verdict": verdict, "audit_probability": None,
        "image_key": "aa/a.png", "width_px": 6, "height_px": 4, **dict.fromkeys(nothing), **changes,
    }  # fmt: skip


def test_scoring_workers_record_and_retention_lets_go(engines: dict[Any, Engine]) -> None:
    check(engines[WORKER])
    with Session(engines[WORKER]) as session, session.begin():
        rows = [part(session, verdict) for verdict in ("PASS", "REVIEW", "REJECT", "REJECT")]
        assert inspections.record(session, rows) == 4
        assert inspections.record(session, rows) == 0
        line = get_line(session, "press")
        record_stream_status(session, line.id, waiting=1, pending=0, cameras={"top": (4, 0, 0)})
        frame = {"line_id": line.id, "camera": "top", "reason": "truncated", "detail": "x"}
        quarantine.record(
            session, frame_key="k", deliveries=5, image_key="aa/b.png", captured_at=None, **frame
        )
        later = utc_now() + timedelta(days=1)
        assert let_go_of_pass_frames(session, before=later, limit=9).rows == 1
        assert let_go_of_quarantine(session, before=later, limit=9).rows == 1


def test_trainer_and_scheduler_bring_a_candidate_through_its_shadow(
    engines: dict[Any, Engine],
) -> None:
    with Session(engines[WORKER]) as session, session.begin():
        line = get_line(session, "press")
        sample = samples.add(
            session, line_id=line.id, frame_id=uuid4(), source=SampleSource.TEACHING,
            label=SampleLabel.GOOD, image_key="aa/c.png",
        )  # fmt: skip
        assert line.id in sides.lines_to_complete(session)
        samples.remove_unusable(session, sample.id, "its picture is gone")
        reason = RetrainingReason.SCHEDULE
        asked = retrainings.request(
            session, line, reason=reason, actor=trusted("schedule"), detector="bgad"
        )
        assert retrainings.waiting_ids(session) == [asked.id]
        assert retrainings.begin(session, asked.id) is not None
        retrainings.report(session, asked.id, stage="fit", done=1, total=2, now=utc_now())
        retrainings.fail_silent(session, now=utc_now(), silent_s=180)
        version = add_version(session, line)
        set_thresholds(session, version, 0.5, 1.5, actor=trusted("trainer"), reason="gate")
        shadow.start(session, line, version)
        row = {"frame_id": uuid4(), "model_version_id": version.id, "score": 1.0, "score_ms": 1.0,
               "verdict": "PASS", "champion_verdict": "PASS", "recorded_at": utc_now()}  # fmt: skip
        shadow.record(session, [row])
        shadow.finish_if_due(session, line.id, version.id)
        shadow.end(session, line.id, version.id, "it failed")
        done = RetrainingState.DONE
        assert retrainings.finish(session, asked.id, done, model_version_id=version.id)


def test_the_dashboard_serves_people(engines: dict[Any, Engine]) -> None:
    check(engines[DASHBOARD])
    with Session(engines[WORKER]) as session, session.begin():
        inspections.record(session, [part(session, "REJECT") for _ in range(3)])
    with Session(engines[DASHBOARD]) as session:
        user = authenticate(session, "anna", "a long word for anna")
        token = open_session(session, user.id, hours=1)
        assert session_user(session, token) is not None
        line = get_line(session, "press")
        set_classes(session, line, ["dent", "stain"], actor=ANNA)
        assert [one.name for one in list_classes(session, line.id)] == ["dent", "stain"]
        wanted = Wanted((line.id,))
        assert counts(session, wanted)[ReviewQueue.FLAGGED] >= 3
        one = session.scalars(select(Inspection).where(Inspection.queue == "flagged")).first()
        assert one is not None
        assert claim(session, "window", [one.id]) == one.id
        renew(session, "window", one.id)
        said = add_review(session, one.id, Decision.DEFECT, reviewer=ANNA, defect_class="dent")
        undo(session, said.id, reviewer=ANNA)
        add_review(session, one.id, Decision.GOOD, reviewer=ANNA)
        release(session, "window")
        dismiss(session, wanted, reviewer=ANNA)
        version = scoring(session, "press").active  # type: ignore[union-attr]
        set_thresholds(session, version, 0.9, 1.9, actor=ANNA)
        teaching = teachings.start_teaching(
            session, line, frames=20, detector="patchcore", actor=ANNA
        )
        teachings.cancel(session, teaching, actor=ANNA)
        asked = retrainings.request(
            session, line, reason=RetrainingReason.PERSON, actor=ANNA, detector="bgad"
        )
        retrainings.ask_to_cancel(session, asked.id, actor=ANNA)
        add_line(session, "saw", actor=ANNA)
        add_user(session, "ben", UserRole.OPERATOR, password="a long word for ben", actor=ANNA)
        set_role(session, "ben", UserRole.ENGINEER, actor=ANNA)
        disable(session, "ben", actor=ANNA)
        close_session(session, token)
        session.commit()
        assert verify(session).problem is None


def test_metrics_read_what_they_tell(engines: dict[Any, Engine]) -> None:
    from workers.exporter import _active_models, _retrainings

    with Session(engines[METRICS]) as session:
        assert list_lines(session)
        _active_models(session)
        _retrainings(session)


def test_a_model_version_is_retired_from_the_dashboard(engines: dict[Any, Engine]) -> None:
    with Session(engines[None]) as session, session.begin():
        number = add_version(session, get_line(session, "press")).number

    with Session(engines[DASHBOARD]) as session, session.begin():
        retire(session, get_line(session, "press"), number, actor=ANNA)
