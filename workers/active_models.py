"""Which models score a line now: kept warm, swapped between batches when others are activated."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session

from db.model_versions import scoring
from workers.errors import INTERRUPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from db.model_versions import Scoring
    from db.tables import ModelVersion
    from workers.scoring import FrameScorer

log = structlog.get_logger()

#: Another version that could not be loaded is tried again after this time: it takes seconds to
#: find out, and the line is scored by the version before meanwhile.
RETRY_LOADING_S = 10.0


@dataclass(frozen=True, slots=True)
class ShadowModel:
    """A candidate that scores a line's frames after the active version has."""

    version_id: int
    number: int
    review_threshold: float
    reject_threshold: float
    #: None: it could not be loaded, and `error` says why.
    scorer: FrameScorer | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """A line's active model version, loaded: one of these scores a batch and gives its verdicts."""

    line_id: int
    #: Share of PASS frames that goes to blind review.
    audit_rate: float
    version_id: int
    number: int
    review_threshold: float
    reject_threshold: float
    scorer: FrameScorer
    shadow: ShadowModel | None = None
    #: The teaching that collects the line's frames; None: none does.
    teaching_id: int | None = None


class ActiveModels:
    """Loads active model versions on demand and keeps the latest used ones."""

    def __init__(
        self,
        engine: Engine,
        load: Callable[[ModelVersion], FrameScorer],
        *,
        check_s: float = 1.0,
        max_models: int = 8,
        retry_loading_s: float = RETRY_LOADING_S,
    ) -> None:
        self._engine = engine
        self._load = load
        self._check_s = check_s
        self._max_models = max_models
        self._retry_loading_s = retry_loading_s
        self._models: OrderedDict[str, ActiveModel] = OrderedDict()
        self._checked_at: dict[str, float] = {}
        #: line -> version that could not be loaded, and when
        self._failed: dict[str, tuple[int, float]] = {}

    def get(self, line: str) -> ActiveModel | None:
        """The active model of `line`; None if it has none, or there is no such line.

        One that cannot be loaded leaves the line to the version before it, if that is loaded, and
        is tried again: a line that stands still is worse than one that is scored as yesterday.

        Raises:
            ArtifactError: if its artifact is gone or was changed, and no other is loaded.
        """
        held = self._models.get(line)
        now = time.monotonic()
        if held and now - self._checked_at[line] < self._check_s:
            return held
        with Session(self._engine) as session:
            wanted = scoring(session, line)
            if wanted is None:
                self._models.pop(line, None)
                return None
            current = self._current(line, held, wanted)
        self._models[line] = current
        self._models.move_to_end(line)
        self._checked_at[line] = now
        while len(self._models) > self._max_models:
            self._models.popitem(last=False)
        return current

    def _current(self, line: str, held: ActiveModel | None, wanted: Scoring) -> ActiveModel:
        scorer = self._scorer(line, held, wanted.active)
        if scorer is None:
            assert held is not None  # noqa: S101 - `_scorer` raises otherwise
            return replace(held, shadow=None, teaching_id=wanted.teaching_id)
        active = wanted.active
        return ActiveModel(
            line_id=wanted.line_id,
            audit_rate=wanted.audit_rate,
            version_id=active.id,
            number=active.number,
            # Every time: people change them while the model stays loaded.
            review_threshold=active.review_threshold,
            reject_threshold=active.reject_threshold,
            scorer=scorer,
            shadow=self._shadow(line, held, wanted.shadow),
            teaching_id=wanted.teaching_id,
        )

    def _scorer(
        self, line: str, held: ActiveModel | None, version: ModelVersion
    ) -> FrameScorer | None:
        """The version's scorer; None if it cannot be loaded while another is held."""
        if held is not None and held.version_id == version.id:
            return held.scorer
        shadow = held.shadow if held is not None else None
        if shadow is not None and shadow.version_id == version.id and shadow.scorer is not None:
            log.info("model.swapped", line=line, version=version.number, from_shadow=True)
            return shadow.scorer
        if held is not None and self._failed_lately(line, version):
            return None
        try:
            return self._loaded(line, version)
        except INTERRUPTIONS:
            raise
        except Exception:  # whatever it is: the version that is held goes on scoring
            if held is None:
                raise
            self._failed[line] = (version.id, time.monotonic())
            log.exception(
                "model.not_swapped",
                line=line,
                wanted=version.number,
                scored_by=held.number,
                remedy="restore the model's folder, or activate another version",
            )
            return None

    def _shadow(
        self, line: str, held: ActiveModel | None, version: ModelVersion | None
    ) -> ShadowModel | None:
        if version is None:
            return None
        before = held.shadow if held is not None else None
        if before is not None and before.version_id == version.id:
            return replace(
                before,
                review_threshold=version.review_threshold,
                reject_threshold=version.reject_threshold,
            )
        scorer, error = None, ""
        try:
            scorer = self._loaded(line, version)
        except INTERRUPTIONS:
            raise
        except Exception as exc:  # it must not keep the active version from scoring
            log.exception("shadow.not_loaded", line=line, version=version.number)
            error = f"it cannot be loaded: {' '.join(str(exc).split())}"
        return ShadowModel(
            version.id,
            version.number,
            version.review_threshold,
            version.reject_threshold,
            scorer,
            error,
        )

    def _loaded(self, line: str, version: ModelVersion) -> FrameScorer:
        started = time.perf_counter()
        scorer = self._load(version)
        seconds = round(time.perf_counter() - started, 2)
        log.info("model.loaded", line=line, version=version.number, seconds=seconds)
        return scorer

    def _failed_lately(self, line: str, version: ModelVersion) -> bool:
        version_id, at = self._failed.get(line, (None, 0.0))
        return version_id == version.id and time.monotonic() - at < self._retry_loading_s
