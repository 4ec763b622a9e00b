"""What a worker process holds for its jobs: connections, warm models, limits.

RQ calls job functions by name with plain arguments only, so the process's one context is bound
here by its entry point.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from db.splitting import GOLDEN_SHARE
from workers.errors import NotBoundError
from workers.retention import RetentionConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis
    from sqlalchemy import Engine

    from db.store import ImageStore
    from workers.active_models import ActiveModels
    from workers.config import ScoringConfig
    from workers.heartbeat import Heartbeat
    from workers.retraining.config import TrainingConfig


def _never() -> bool:
    return False


@dataclass(slots=True)
class WorkerContext:
    """One worker process's connections and state."""

    #: Unique among all workers: the consumer name in the frame streams.
    name: str
    redis: Redis
    engine: Engine
    store: ImageStore
    models: ActiveModels
    config: ScoringConfig
    #: True once the process was asked to stop: a drain then ends after its batch.
    should_stop: Callable[[], bool] = _never
    #: What whoever watches over this process looks at; None: nobody does.
    heartbeat: Heartbeat | None = None
    #: How this process trains; None: it only scores.
    training: TrainingConfig | None = None
    #: How long pictures are kept.
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    #: Share of the labelled frames that models are judged by.
    golden_share: float = GOLDEN_SHARE
    #: (line id, camera name) -> camera id
    camera_ids: dict[tuple[int, str], int] = field(default_factory=dict)
    #: (line id, camera name) -> when its last PASS image was kept, time.monotonic()
    pass_kept_at: dict[tuple[int, str], float] = field(default_factory=dict)
    #: line id -> when its stream's status was last reported, time.monotonic()
    reported_at: dict[int, float] = field(default_factory=dict)

    def beat(self) -> None:
        """Say that this process gets on with its work."""
        if self.heartbeat is not None:
            self.heartbeat.beat()


_bound: WorkerContext | None = None


def bind(context: WorkerContext | None) -> None:
    """Make `context` the one that this process's jobs use."""
    global _bound
    _bound = context


def current() -> WorkerContext:
    """The bound context; raises NotBoundError outside a linewatch worker."""
    if _bound is None:
        raise NotBoundError(
            "this job runs only in a linewatch worker: start one with `linewatch worker`"
        )
    return _bound
