"""How far a retraining is, in its row; and from its row, whether it is to go on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from db.errors import DatabaseUnavailable
from db.retrainings import Wish, report
from db.tables import utc_now
from workers.errors import RetrainingCancelled, RetrainingGivenUp

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import Engine

log = structlog.get_logger()


class Reporter:
    """Writes the stage at once, and a sign of life every few seconds from a thread of its own.

    The work itself may be silent for long; it hears of a cancellation when it next calls `tell`.
    """

    def __init__(self, engine: Engine, retraining_id: int, *, every_s: float) -> None:
        self._engine = engine
        self._id = retraining_id
        self._every_s = every_s
        self._standing = ("", 0, 0)
        self._wish = Wish.GO_ON
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def tell(self, stage: str, done: int, total: int) -> None:
        """Say what is done of a stage.

        Raises:
            RetrainingCancelled: if a person asked for the end.
            RetrainingGivenUp: if the retraining counts as dead.
        """
        is_new = stage != self._standing[0]
        self._standing = (stage, done, total)
        if is_new:
            log.info("retraining.stage", id=self._id, stage=stage, total=total)
            self._report()
        if self._wish is Wish.CANCEL:
            raise RetrainingCancelled(f"retraining {self._id} was cancelled in stage {stage}")
        if self._wish is Wish.GIVE_UP:
            raise RetrainingGivenUp(f"retraining {self._id} was given up in stage {stage}")

    def _beat(self) -> None:
        while not self._ended.wait(self._every_s):
            self._report()

    def _report(self) -> None:
        stage, done, total = self._standing
        try:
            with Session(self._engine) as session, session.begin():
                now = utc_now()
                self._wish = report(session, self._id, stage=stage, done=done, total=total, now=now)
        except (DatabaseUnavailable, OperationalError) as exc:  # said again in a moment
            error = str(exc).splitlines()[0]
            log.warning("retraining.not_reported", id=self._id, error=error)
