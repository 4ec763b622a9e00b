"""Rounds of streaming, reviewing and retraining, on a line that was taught from good parts."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.loop.measuring import golden_check
from bench.loop.operator import NAME as OPERATOR
from bench.loop.operator import Operator
from bench.loop.plant import LINE, Plant, keep, plant
from db import retrainings, teachings
from db.access import Actor, trusted
from db.errors import Conflict
from db.line_settings import LineSettings, change_settings
from db.lines import add_line, get_line
from db.model_versions import promote
from db.splitting import GOLDEN_SHARE
from db.tables import (
    AuditEvent,
    ModelVersion,
    Promotion,
    Retraining,
    RetrainingReason,
    RetrainingState,
    Role,
    SnapshotItem,
    TeachingState,
)
from db.users import add_user
from linewatch.labelled.importing import import_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.loop.parts import Frame, Roles
    from bench.loop.plan import Plan

    Tell = Callable[[str], None]

ENGINEER = "engineer"
#: Parts that pass the camera before the operator looks again.
CHUNK = 12
#: In the shadow fewer than a worker's batch: with a backlog a candidate sees few of them.
SHADOW_CHUNK = 3
#: Longest training, on a machine that does other things too.
TRAINING_S = 3600.0


def taught_start(plan: Plan, roles: Roles, folder: Path, tell: Tell) -> Path:
    """A line with its first model and its golden set; made once for all scenarios of a set.

    Returns:
        The folder with its database and pictures; its models are in `folder`/models.
    """
    start = folder / "start"
    if start.exists():
        return start
    with TemporaryDirectory(prefix="lw-loop-") as temporary:
        home = Path(temporary) / "home"
        with plant(home, folder / "models", plan) as running:
            _teach(running, plan, roles, tell)
            _import_golden(running, roles, Path(temporary) / "golden")
        keep(home, start)
    return start


def do_rounds(plan: Plan, roles: Roles, folder: Path, tell: Tell) -> dict[str, Any]:
    """Go through all rounds of a plan; what became of each, and which versions went live."""
    start = taught_start(plan, roles, folder, tell)
    with TemporaryDirectory(prefix="lw-loop-") as temporary:
        home = Path(temporary) / "home"
        with plant(home, folder / "models", plan, start) as running:
            return _Loop(running, plan, roles, tell).run()


def _teach(running: Plant, plan: Plan, roles: Roles, tell: Tell) -> None:
    """As on the page: collect, look over, train, activate."""
    actor = Actor(ENGINEER)
    with Session(running.engine) as session, session.begin():
        add_user(session, ENGINEER, Role.ENGINEER, actor=trusted("bench"))
        add_user(session, OPERATOR, Role.OPERATOR, actor=trusted("bench"))
        line = add_line(session, LINE, actor=actor)
        change_settings(session, line, _settings(plan), actor=actor)
        teachings.start_teaching(
            session, line, frames=len(roles.taught), camera=None, detector="bgad", actor=actor
        )
    tell(f"teaching from {len(roles.taught)} good frames")
    running.show(roles.taught)
    with Session(running.engine) as session, session.begin():
        line = get_line(session, LINE)
        teaching = teachings.latest_teaching(session, line.id)
        assert teaching is not None
        assert teaching.state == TeachingState.LOOKING_OVER, teaching.state
        retraining_id = teachings.finish(session, teaching, actor=actor).id
    ended = _await_end(running, retraining_id)
    if ended.state != RetrainingState.DONE:
        raise RuntimeError(f"the line was not taught: {ended.message}")
    tell(ended.message)


def _settings(plan: Plan) -> LineSettings:
    return LineSettings(
        audit_rate=plan.audit_rate,
        needs_second_opinion=False,
        # Trainings are asked for after so many confirmed defects, as the figures want it.
        retrain_every_h=None,
        retrain_after_defects=None,
        retrain_on_drift=False,
        promotion=Promotion.PERSON.value,
        false_reject_budget=plan.false_rejects,
        latency_budget_ms=None,
        shadow_frames=plan.shadow_frames,
    )


def _import_golden(running: Plant, roles: Roles, folder: Path) -> None:
    """Parts that an engineer set aside when the line was set up; all on the golden side."""
    for number, one in enumerate(roles.golden):
        sample = one.sample
        place = folder / "test" / sample.defect / f"{number}{sample.path.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sample.path, place)
        if sample.mask_path is not None:
            suffix = sample.mask_path.suffix
            mask = folder / "ground_truth" / sample.defect / f"{number}_mask{suffix}"
            mask.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sample.mask_path, mask)
    import_folder(
        running.engine,
        running.store,
        LINE,
        folder,
        actor=Actor(ENGINEER),
        golden_share=GOLDEN_SHARE,
        max_pixels=100_000_000,
        progress=lambda *_: None,
    )


def _await_end(running: Plant, retraining_id: int) -> Retraining:
    found: list[Retraining] = []

    def has_ended() -> bool:
        with Session(running.engine) as session:
            found[:] = [retrainings.get_retraining(session, retraining_id)]
        return found[0].finished_at is not None

    running.wait(has_ended, f"end of retraining {retraining_id}", TRAINING_S)
    running.wait_for_trainer()
    return found[0]


class _Loop:
    """The rounds of one plan, on a running plant."""

    def __init__(self, running: Plant, plan: Plan, roles: Roles, tell: Tell) -> None:
        self._plant = running
        self._plan = plan
        self._tell = tell
        self._stream = roles.stream
        self._waiting: Iterator[Frame] = iter(roles.stream)
        self._shown = 0
        with Session(running.engine) as session:
            line_id = get_line(session, LINE).id
        self._operator = Operator(
            running.engine,
            running.store,
            line_id,
            roles.kinds,
            plan.wrong,
            np.random.default_rng([plan.seed, 1]),
        )

    def run(self) -> dict[str, Any]:
        """All rounds; see `Kept` for what is in the answer."""
        rounds = [self._round(target) for target in self._plan.rounds]
        with Session(self._plant.engine) as session:
            versions = [_version(one) for one in session.scalars(_versions())]
            went_live = _went_live(session)
        self._tell("checking the golden set anew")
        checked = golden_check(self._plant.engine, self._plant.store, self._plan.runtime)
        return {
            "rounds": rounds,
            "versions": versions,
            "went_live": went_live,
            "golden": checked,
            "shown": self._shown,
        }

    def _round(self, target: int) -> dict[str, Any]:
        """Stream and review until `target` defects are confirmed, then train and promote."""
        self._operator.review(target)
        while self._operator.answers.defect < target and self._show():
            self._operator.review(target)
        reached = self._operator.answers.defect
        self._tell(f"{reached} defects confirmed after {self._shown} parts")
        with Session(self._plant.engine) as session, session.begin():
            wish = retrainings.request(
                session,
                get_line(session, LINE),
                reason=RetrainingReason.PERSON,
                actor=Actor(ENGINEER),
            )
            retraining_id = wish.id
        ended = _await_end(self._plant, retraining_id)
        self._tell(ended.message)
        promotion = self._promote(ended)
        with Session(self._plant.engine) as session:
            line = get_line(session, LINE)
            live = session.get_one(ModelVersion, line.active_model_version_id)
            made = session.get(ModelVersion, ended.model_version_id or 0)
            return {
                "target": target,
                "confirmed": reached,
                "shown": self._shown,
                "answers": asdict(self._operator.answers),
                "state": ended.state,
                "message": ended.message,
                "snapshot": _uses(session, ended.snapshot_id),
                "seconds": _seconds(ended),
                "made": made and made.number,
                "promotion": promotion,
                "live": live.number,
            }

    def _show(self, count: int = CHUNK) -> bool:
        """Let the next parts come; False if there are none left."""
        frames = list(islice(self._waiting, count))
        self._operator.learn(frames)
        self._plant.show(frames)
        self._shown += len(frames)
        return bool(frames)

    def _promote(self, ended: Retraining) -> str:
        """Let the candidate see live frames, and promote it if that is allowed; how it went."""
        if ended.model_version_id is None:
            return "no candidate"
        with Session(self._plant.engine) as session:
            number = session.get_one(ModelVersion, ended.model_version_id).number
        has_ended = False
        while self._is_in_shadow(ended.model_version_id):
            if not self._show(SHADOW_CHUNK):
                # A plant's parts do not run out: the same ones come again, for the shadow only.
                self._waiting, has_ended = iter(self._stream), True
        if has_ended:
            self._waiting = iter(())
        with Session(self._plant.engine) as session, session.begin():
            try:
                promote(session, get_line(session, LINE), number, actor=Actor(ENGINEER))
            except Conflict as exc:
                return str(exc)
        self._tell(f"version {number} promoted")
        return "promoted"

    def _is_in_shadow(self, version_id: int) -> bool:
        with Session(self._plant.engine) as session:
            return get_line(session, LINE).shadow_model_version_id == version_id


def _versions() -> Any:
    return select(ModelVersion).order_by(ModelVersion.number)


def _version(one: ModelVersion) -> dict[str, Any]:
    return {
        "number": one.number,
        "artifact": one.artifact_path,
        "detector": one.detector,
        "backbone": one.backbone,
        "review": one.review_threshold,
        "reject": one.reject_threshold,
        "passed": one.has_passed_gate,
        "gate": one.gate,
        "shadow": one.shadow,
    }


def _went_live(session: Session) -> list[int]:
    """The versions that were ever let score, in that order, as the audit log has it."""
    actions = ("model.activated", "model.promoted")
    events = session.scalars(
        select(AuditEvent).where(AuditEvent.action.in_(actions)).order_by(AuditEvent.id)
    )
    return [int(event.details["number"]) for event in events]


def _uses(session: Session, snapshot_id: int | None) -> dict[str, int]:
    """How many frames of each use and label the training had."""
    columns = (SnapshotItem.use, SnapshotItem.label)
    query = (
        select(*columns, func.count())
        .where(SnapshotItem.snapshot_id == snapshot_id)
        .group_by(*columns)
    )
    return {f"{use} {label}": count for use, label, count in session.execute(query)}


def _seconds(ended: Retraining) -> float | None:
    if ended.started_at is None or ended.finished_at is None:
        return None
    return (ended.finished_at - ended.started_at).total_seconds()
