"""One retraining, from its row to a candidate in the shadow.

The model is trained in a folder of its own, judged there, renamed into place, and registered in the
transaction that ends the retraining. So whatever kills it before leaves no version and the line's
model as it is; what it leaves on disk is removed by the next one.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from db import retrainings
from db.errors import DbError
from db.least_samples import least_for
from db.retrainings import MACHINE
from db.snapshots import snapshot_items, take_snapshot
from db.tables import Line, RetrainingState
from models.artifact import manifest_sha256
from models.errors import ArtifactError, ModelError
from models.scorer import load_scorer
from models.training import TrainingSet, train_on
from workers.errors import RetrainingCancelled, RetrainingGivenUp, WorkerError
from workers.labelling import complete_samples
from workers.recording import commit_patiently
from workers.retraining.gate import GateReport, compare, not_compared
from workers.retraining.judging import Entrant, judge
from workers.retraining.material import Material, materialize
from workers.retraining.registering import register
from workers.retraining.reporter import Reporter
from workers.retraining.task import read_task
from workers.retraining.workplace import workplace

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context import WorkerContext
    from workers.retraining.config import TrainingConfig
    from workers.retraining.task import Champion, Task

log = structlog.get_logger()


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
        task = read_task(session, begun.id)
    with bound_contextvars(line=task.line_name):
        return _run_task(context, config, task)


def _run_task(context: WorkerContext, config: TrainingConfig, task: Task) -> RetrainingState | None:
    log.info("retraining.started", id=task.id, detector=task.detector)
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
    log.info("retraining.done", id=task.id)
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
            register(self._context, self._task, final, snapshot_id, report)

    def _snapshot(self) -> int:
        self._tell("snapshot", 0, 1)
        task = self._task
        least = least_for(
            is_compared=task.champion is not None, learns_from_defects=task.learns_from_defects
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
        return Entrant(champion.number, scorer, champion.review, champion.reject)

    def _entrant(self, folder: Path, number: int | None) -> Entrant:
        config = self._config
        scorer = load_scorer(
            folder, device=config.device, runtime=config.runtime, threads=config.threads
        )
        return Entrant(number, scorer, scorer.thresholds.review, scorer.thresholds.reject)


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
