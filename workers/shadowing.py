"""The shadow: a candidate scores frames whose verdicts are committed and acknowledged already.

So nothing that happens here can cost a verdict. What it costs is time of the worker, which is
bounded: with a backlog the candidate sees only so many batches that most of the time is left.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db import shadow
from db.errors import DbError
from db.tables import utc_now
from workers.errors import INTERRUPTIONS
from workers.recording import verdict_of
from workers.scoring import Judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.frame import Frame
    from workers.active_models import ActiveModel, ShadowModel
    from workers.context import WorkerContext
    from workers.scoring import Refused

log = structlog.get_logger()

#: With frames waiting, the shadow rests so many times as long as it worked.
REST = 4.0


class Shadowing:
    """Lets the candidate of a line score batches, in one worker process."""

    def __init__(self, context: WorkerContext, line: str) -> None:
        self._context = context
        self._line = line
        self._rests_until = 0.0

    def follow(
        self, model: ActiveModel, judged: Sequence[tuple[Frame, Judged]], *, is_busy: bool
    ) -> None:
        """Score what `model` has judged; an error ends the shadow, or waits for the database.

        Args:
            is_busy: whether more frames wait.
        """
        candidate = model.shadow
        if candidate is None or not judged or (is_busy and time.monotonic() < self._rests_until):
            return
        started = time.monotonic()
        try:
            self._score(model, candidate, judged)
        except (DbError, SQLAlchemyError) as exc:  # these frames are not counted, that is all
            error = str(exc).splitlines()[0]
            log.warning("shadow.not_recorded", line=self._line, error=error)
        now = time.monotonic()
        self._rests_until = now + REST * (now - started)

    def _score(
        self, model: ActiveModel, candidate: ShadowModel, judged: Sequence[tuple[Frame, Judged]]
    ) -> None:
        if candidate.scorer is None:
            self._end(model, candidate, candidate.error)
            return
        try:
            outcomes = candidate.scorer.score([frame for frame, _ in judged])
        except INTERRUPTIONS:
            raise
        except Exception as exc:  # whatever it is: the candidate is at fault, and nobody else
            log.exception("shadow.failed", line=self._line, version=candidate.number)
            self._end(model, candidate, f"it failed: {type(exc).__name__}: {exc}")
            return
        refused = [outcome for outcome in outcomes if not isinstance(outcome, Judged)]
        if refused:
            detail = f"it cannot score a frame that the champion scored: {refused[0].detail}"
            self._end(model, candidate, detail)
            return
        self._record(model, candidate, judged, outcomes)

    def _record(
        self,
        model: ActiveModel,
        candidate: ShadowModel,
        judged: Sequence[tuple[Frame, Judged]],
        outcomes: Sequence[Judged | Refused],
    ) -> None:
        now = utc_now()
        rows: list[dict[str, Any]] = [
            {
                "frame_id": frame.frame_id,
                "model_version_id": candidate.version_id,
                "score": ours.score,
                "score_ms": ours.score_ms,
                "verdict": verdict_of(ours.score, candidate).value,
                "champion_verdict": verdict_of(theirs.score, model).value,
                "recorded_at": now,
            }
            for (frame, theirs), ours in zip(judged, outcomes, strict=True)
            if isinstance(ours, Judged)
        ]
        with Session(self._context.engine) as session, session.begin():
            shadow.record(session, rows)
        with Session(self._context.engine) as session, session.begin():
            result = shadow.finish_if_due(session, model.line_id, candidate.version_id)
        if result is not None:
            agreement = round(result["agreement"], 4)
            log.info("shadow.done", line=self._line, version=candidate.number, agreement=agreement)

    def _end(self, model: ActiveModel, candidate: ShadowModel, reason: str) -> None:
        with Session(self._context.engine) as session, session.begin():
            ended = shadow.end(session, model.line_id, candidate.version_id, reason)
        if ended:
            log.error("shadow.ended", line=self._line, version=candidate.number, reason=reason)
