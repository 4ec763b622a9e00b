"""Which model scores a line now: kept warm, swapped between batches when another is activated."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session

from db.lines import get_line
from db.model_versions import active_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from db.tables import ModelVersion
    from workers.scoring import FrameScorer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """A line's active model version, loaded."""

    line_id: int
    #: Share of PASS frames that goes to blind review.
    audit_rate: float
    version_id: int
    number: int
    review_threshold: float
    reject_threshold: float
    scorer: FrameScorer


class ActiveModels:
    """Loads active model versions on demand and keeps the latest used ones."""

    def __init__(
        self,
        engine: Engine,
        load: Callable[[ModelVersion], FrameScorer],
        *,
        check_s: float = 1.0,
        max_models: int = 8,
    ) -> None:
        self._engine = engine
        self._load = load
        self._check_s = check_s
        self._max_models = max_models
        self._models: OrderedDict[str, ActiveModel] = OrderedDict()
        self._checked_at: dict[str, float] = {}

    def get(self, line: str) -> ActiveModel | None:
        """The active model of `line`; None if it has none.

        Raises:
            NotFound: if the line does not exist.
            ArtifactError: if its artifact is gone or was changed.
        """
        held = self._models.get(line)
        now = time.monotonic()
        if held and now - self._checked_at[line] < self._check_s:
            return held
        with Session(self._engine) as session:
            version = active_version(session, line)
            if version is None:
                self._models.pop(line, None)
                return None
            if held is None or held.version_id != version.id:
                held = self._load_version(session, line, version)
        self._models[line] = held
        self._models.move_to_end(line)
        self._checked_at[line] = now
        while len(self._models) > self._max_models:
            self._models.popitem(last=False)
        return held

    def _load_version(self, session: Session, line: str, version: ModelVersion) -> ActiveModel:
        row = get_line(session, line)
        started = time.perf_counter()
        scorer = self._load(version)
        seconds = round(time.perf_counter() - started, 2)
        log.info("model.loaded", line=line, version=version.number, seconds=seconds)
        return ActiveModel(
            line_id=row.id,
            audit_rate=row.audit_rate,
            version_id=version.id,
            number=version.number,
            review_threshold=version.review_threshold,
            reject_threshold=version.reject_threshold,
            scorer=scorer,
        )
