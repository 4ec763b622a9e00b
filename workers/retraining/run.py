"""One retraining, from its row to a candidate in the shadow.

The model is trained in a folder of its own, judged there, renamed into place, and registered in the
transaction that ends the retraining. So whatever kills it before leaves no version and the line's
model as it is; what it leaves on disk is removed by the next one.
"""

from __future__ import annotations

import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.orm import Session

from db import retrainings, shadow
from db.access import trusted
from db.errors import DbError
from db.model_versions import activate, add_model_version
from db.retrainings import MACHINE
from db.snapshots import Least, snapshot_items, take_snapshot
from db.tables import Line, ModelVersion, RetrainingState
from ingest.frame import NAME
from models.artifact import MANIFEST_FILE, manifest_sha256
from models.errors import ArtifactError, ModelError
from models.scorer import load_scorer
from models.training import TrainingSet, train_on
from workers.errors import RetrainingCancelled, RetrainingGivenUp, WorkerError
from workers.labelling import complete_samples
from workers.recording import commit_patiently
from workers.retraining.gate import (
    MIN_DEFECTS,
    MIN_GOOD,
    Budgets,
    GateReport,
    compare,
    not_compared,
)
from workers.retraining.judging import Entrant, judge
from workers.retraining.material import Material, materialize
from workers.retraining.reporter import Reporter
from workers.retraining.workplace import workplace

if TYPE_CHECKING:
    from workers.context import WorkerContext
    from workers.retraining.config import TrainingConfig

log = structlog.get_logger()

#: Goods to fit and to calibrate on, and defects to learn from; fewer teach a model nothing.
MIN_NORMALS = 12
MIN_ANOMALIES = 3
#: Detectors that learn from known defects; the others take good parts only.
LEARN_FROM_DEFECTS = frozenset({"bgad"})


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that scores the line when the gate begins."""

    id: int
    number: int
    folder: Path
    manifest_sha256: str
    review: float
    reject: float


@dataclass(frozen=True, slots=True)
class Task:
    """What a retraining is to do, as its row and its line say it at the beginning."""

    id: int
    line_id: int
    line_name: str
    detector: str
    teaching_id: int | None
    requested_by: str
    budgets: Budgets
    champion: Champion | None

    @property
    def folder_name(self) -> str:
        """The line's folder among the models; its name, unless no folder may be called so."""
        return self.line_name if NAME.fullmatch(self.line_name) else f"line-{self.line_id}"

    @property
    def learns_from_defects(self) -> bool:
        """Whether it needs known defects."""
        return self.teaching_id is None and self.detector in LEARN_FROM_DEFECTS


def run_retraining(
    context: WorkerContext, config: TrainingConfig, retraining_id: int
) -> RetrainingState | None:
    """Do a waiting retraining; returns its end, None if it does not wait or is not ours any more.

    An error ends it as failed, in one line for people; the trace is in the log.
    """
    with Session(context.engine) as session, session.begin():
        begun = retrainings.begin(session, retraining_id)
        if begun is None:
            log.info("retraining.not_waiting", id=retraining_id)
            return None
        task = _task(session, begun.id)
    log.info("retraining.started", id=task.id, line=task.line_name, detector=task.detector)
    try:
        with Reporter(context.engine, task.id, every_s=config.heartbeat_s) as reporter:
            _Run(context, config, task, reporter).run()
    except RetrainingCancelled:
        return _end(context, task, RetrainingState.CANCELLED, _cancelled_by(context, task))
    except RetrainingGivenUp as exc:
        log.error("retraining.given_up", id=task.id, error=str(exc))
        return None
    except (ModelError, DbError, WorkerError) as exc:
        log.warning("retraining.failed", id=task.id, error=str(exc), exc_info=True)
        return _end(context, task, RetrainingState.FAILED, _one_line(exc))
    except Exception as exc:  # whatever it was, the row has to say so
        log.exception("retraining.failed", id=task.id)
        text = f"{type(exc).__name__}: {_one_line(exc)}; the trainer's log has the trace"
        return _end(context, task, RetrainingState.FAILED, text)
    log.info("retraining.done", id=task.id, line=task.line_name)
    return RetrainingState.DONE


class _Run:
    """One retraining under way."""

    def __init__(
        self, context: WorkerContext, config: TrainingConfig, task: Task, reporter: Reporter
    ) -> None:
        self._context = context
        self._config = config
        self._task = task
        self._tell = reporter.tell

    def run(self) -> None:
        """Go through all stages."""
        self._tell("samples", 0, 1)
        complete_samples(self._context, self._task.line_id)
        snapshot_id = self._snapshot()
        models = self._config.models_dir / self._task.folder_name
        with workplace(models, self._task.id) as place:
            material = self._material(snapshot_id, place)
            trained = place / "model"
            self._train(material, trained)
            report = self._judge(material, trained)
            # The last word before it counts: what follows is short.
            self._tell("registering", 0, 1)
            final = models / f"retraining-{self._task.id}-{secrets.token_hex(3)}"
            trained.rename(final)
            try:
                self._register(final, snapshot_id, report)
            except BaseException:
                self._forget(final)
                raise

    def _snapshot(self) -> int:
        self._tell("snapshot", 0, 1)
        task = self._task
        is_compared = task.champion is not None
        least = Least(
            goods=MIN_NORMALS,
            anomalies=MIN_ANOMALIES if task.learns_from_defects else 0,
            golden_goods=MIN_GOOD if is_compared else 0,
            golden_defects=MIN_DEFECTS if is_compared else 0,
        )

        def take(session: Session) -> int:
            line = session.get_one(Line, task.line_id)
            taken = take_snapshot(
                session, line, actor=MACHINE, least=least, teaching_id=task.teaching_id
            )
            retrainings.note_snapshot(session, task.id, taken.id)
            return taken.id

        return commit_patiently(self._context, take)

    def _material(self, snapshot_id: int, place: Path) -> Material:
        with Session(self._context.engine) as session:
            items = snapshot_items(session, snapshot_id)
        return materialize(self._context.store, items, place / "pictures", self._tell)

    def _train(self, material: Material, out: Path) -> None:
        config = self._config
        train_on(
            TrainingSet(
                fitted=material.normal,
                held_out=material.held_out,
                anomalies=material.anomaly if self._task.learns_from_defects else [],
                good=[*material.normal, *material.held_out],
            ),
            detector=self._task.detector,
            out=out,
            preset=config.preset,
            backbone=config.backbone,
            weights=config.weights,
            settings=config.hyperparameters,
            seed=config.seed,
            review_rate=config.review_rate,
            reject_rate=config.reject_rate,
            device=config.device,
            runtime=config.runtime,
            threads=config.threads,
            progress=self._tell,
        )

    def _judge(self, material: Material, trained: Path) -> GateReport:
        """Let champion and candidate score the golden frames in this process, in turns."""
        self._tell("gate", 0, len(material.golden))
        champion = self._task.champion
        entrants = [self._entrant(trained, None)]
        if champion is not None:
            try:
                entrants.append(self._champion(champion))
            except ArtifactError as exc:
                log.exception("gate.no_champion", line=self._task.line_name)
                reason = f"version {champion.number}, which scores now, cannot be loaded: {exc}"
                return not_compared(reason, self._task.budgets)
        contenders = judge(material.golden, entrants, self._tell)
        return compare(
            [sample.defect if sample.is_anomalous else None for sample in material.golden],
            contenders[1] if champion is not None else None,
            contenders[0],
            self._task.budgets,
        )

    def _champion(self, champion: Champion) -> Entrant:
        if manifest_sha256(champion.folder) != champion.manifest_sha256:
            raise ArtifactError(f"{champion.folder} is not the artifact that was registered")
        scorer = self._entrant(champion.folder, champion.number).scorer
        # Its thresholds may have been set since it was trained.
        return Entrant(champion.number, scorer, champion.review, champion.reject)

    def _entrant(self, folder: Path, number: int | None) -> Entrant:
        config = self._config
        scorer = load_scorer(
            folder, device=config.device, runtime=config.runtime, threads=config.threads
        )
        return Entrant(number, scorer, scorer.thresholds.review, scorer.thresholds.reject)

    def _register(self, folder: Path, snapshot_id: int, report: GateReport) -> None:
        """Make the version, and end the retraining, in one transaction."""
        manifest: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        task = self._task

        def register(session: Session) -> None:
            line = session.get_one(Line, task.line_id)
            version = add_model_version(
                session,
                line,
                artifact_path=str(folder.absolute()),
                manifest=manifest,
                manifest_sha256=manifest_sha256(folder),
                actor=trusted(f"retraining for {task.requested_by}"[:128]),
                snapshot_id=snapshot_id,
                gate=report.to_json(),
                has_passed_gate=report.has_passed,
            )
            message = _what_next(session, task, line, version, report)
            if not retrainings.finish(
                session,
                task.id,
                RetrainingState.DONE,
                message=message,
                model_version_id=version.id,
            ):
                # Undoes everything above.
                raise RetrainingCancelled(f"retraining {task.id} was ended while it registered")

        commit_patiently(self._context, register)

    def _forget(self, folder: Path) -> None:
        """Remove a model that was not registered; where that is not sure, it stays."""
        with Session(self._context.engine) as session:
            row = retrainings.get_retraining(session, self._task.id)
            if row.model_version_id is None:
                shutil.rmtree(folder, ignore_errors=True)


def _task(session: Session, retraining_id: int) -> Task:
    row = retrainings.get_retraining(session, retraining_id)
    line = session.get_one(Line, row.line_id)
    champion = None
    if line.active_model_version_id is not None:
        active = session.get_one(ModelVersion, line.active_model_version_id)
        champion = Champion(
            active.id,
            active.number,
            Path(active.artifact_path),
            active.manifest_sha256,
            active.review_threshold,
            active.reject_threshold,
        )
    return Task(
        id=row.id,
        line_id=line.id,
        line_name=line.name,
        detector=row.detector,
        teaching_id=row.teaching_id,
        requested_by=row.requested_by,
        budgets=Budgets(line.false_reject_budget, line.latency_budget_ms),
        champion=champion,
    )


def _what_next(
    session: Session, task: Task, line: Line, version: ModelVersion, report: GateReport
) -> str:
    """Begin what follows the gate; returns what to tell people."""
    name = f"version {version.number}"
    if report.has_passed is False:
        return f"{name} did not pass its gate: {'; '.join(report.reasons)}"
    now_active = line.active_model_version_id
    if now_active != (task.champion.id if task.champion else None):
        return f"{name} was compared with a version that scores no more: train again"
    if now_active is None and task.teaching_id is not None:
        # Whoever taught the line asked for its first verdicts.
        activate(session, line, version.number, actor=MACHINE)
        return f"{name} is the line's first model, and scores now"
    if report.has_passed is None:
        return f"{name} could not be compared: {'; '.join(report.reasons)}: activate it by hand"
    if now_active is None:
        return f"{name} passed its gate: the line has no model yet, activate it"
    shadow.start(session, line, version)
    return f"{name} passed its gate, and scores in the shadow now"


def _end(
    context: WorkerContext, task: Task, state: RetrainingState, message: str
) -> RetrainingState | None:
    def end(session: Session) -> bool:
        return retrainings.finish(session, task.id, state, message=message)

    ended = commit_patiently(context, end)
    log.info("retraining.ended", id=task.id, state=state.value, message=message, by_us=ended)
    return state if ended else None


def _cancelled_by(context: WorkerContext, task: Task) -> str:
    with Session(context.engine) as session:
        row = retrainings.get_retraining(session, task.id)
        return f"cancelled by {row.cancel_asked_by} in stage {row.stage!r}; nothing was registered"


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())
