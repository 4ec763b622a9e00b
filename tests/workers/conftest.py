"""A line with an active model version, and a worker context on real servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from sqlalchemy.orm import Session

from db.access import trusted
from db.lines import add_line
from db.model_versions import activate, add_model_version
from db.roles import WORKER
from db.store import ImageStore
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy
from models.detector import Scores
from tests.granted import within_grants
from workers.active_models import ActiveModels
from workers.config import ScoringConfig
from workers.context import WorkerContext, bind
from workers.scoring import ModelScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from redis import Redis
    from sqlalchemy import Engine

LINE = "line-4"


@dataclass
class BrightnessDetector:
    """Scores an image by its mean brightness, 0 to 1, in the place of a trained model."""

    calls: list[int] = field(default_factory=list)

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        self.calls.append(len(images))
        means = np.array([image.mean() / 255 for image in images], dtype=np.float32)
        maps = np.repeat(means, 8 * 8).reshape(-1, 8, 8)
        return Scores(image_scores=means, patch_scores=maps)


def png(brightness: float, *, side: int = 24) -> bytes:
    """A grey picture of that brightness, 0 to 1."""
    encoded, data = cv2.imencode(".png", np.full((side, side), round(brightness * 255), np.uint8))
    assert encoded
    return data.tobytes()


def push(stream: FrameStream, frames: Iterable[Frame]) -> None:
    """Put frames into a stream that has room for them."""
    for frame in frames:
        assert stream.push(frame, FullPolicy.BLOCK).accepted


@pytest.fixture(scope="session")
def databases(open_databases: Callable[[str], object]) -> object:
    """SQLite is enough here: db's own tests run on both databases, and so does e2e."""
    return open_databases("sqlite")


@pytest.fixture(scope="session")
def redis_url(valkey_url: str) -> str:
    """One server is enough here: the stream's own tests run on Redis and on Valkey."""
    return valkey_url


@pytest.fixture
def picture() -> Callable[..., bytes]:
    return png


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    """Frames of `line-4`; a brightness below 0.5 passes, from 0.8 on it is rejected."""

    def make(brightness: float = 0.1, sequence: int = 0, **changes: Any) -> Frame:
        values: dict[str, Any] = {
            "line": LINE,
            "camera": "top",
            "sequence": sequence,
            "image": png(brightness),
            "media_type": "image/png",
        }
        return Frame.capture(**{**values, **changes})

    return make


@pytest.fixture
def activate_version(engine: Engine) -> Callable[..., int]:
    """Registers and activates another model version of `line-4`; returns its id."""

    def add(review: float = 0.5, reject: float = 0.8) -> int:
        manifest = {
            "detector": "brightness",
            "backbone": "none",
            "thresholds": {"review": review, "reject": reject},
        }
        with Session(engine) as session, session.begin():
            from db.lines import get_line

            line = get_line(session, LINE)
            version = add_model_version(
                session,
                line,
                artifact_path="/nowhere",
                manifest=manifest,
                manifest_sha256="0" * 64,
                actor=trusted("test"),
            )
            activate(session, line, version.number, actor=trusted("test"))
            return version.id

    return add


@pytest.fixture
def line(engine: Engine) -> str:
    """A line without a model."""
    with Session(engine) as session, session.begin():
        add_line(session, LINE, actor=trusted("test"))
    return LINE


@pytest.fixture
def stream(redis_client: Redis, line: str) -> FrameStream:
    """That line's stream."""
    return FrameStream(redis_client, line)


@pytest.fixture
def config() -> ScoringConfig:
    """Short times, and every picture kept."""
    return ScoringConfig(
        max_batch=4,
        max_wait_ms=20,
        drain_budget_s=5.0,
        visibility_timeout_s=0.2,
        max_deliveries=3,
        model_check_s=1e-6,
        commit_patience_s=0.05,
        pass_image_interval_s=1e-9,
    )


@pytest.fixture
def detector() -> BrightnessDetector:
    return BrightnessDetector()


@pytest.fixture
def context(
    redis_client: Redis,
    engine: Engine,
    line: str,
    config: ScoringConfig,
    detector: BrightnessDetector,
    tmp_path: Path,
) -> Iterator[WorkerContext]:
    """A worker's context, bound for job functions."""
    (tmp_path / "store").mkdir()
    scorer = ModelScorer(detector, max_pixels=1_000_000)
    context = WorkerContext(
        name="worker-1",
        redis=redis_client,
        engine=engine,
        store=ImageStore(str(tmp_path / "store")),
        models=ActiveModels(engine, lambda _: scorer, check_s=config.model_check_s),
        config=config,
    )
    bind(context)
    yield context
    bind(None)


@pytest.fixture
def sleep_past_visibility(config: ScoringConfig) -> Callable[[], None]:
    """Waits until a silent worker's frames may be taken over."""
    import time

    return lambda: time.sleep(config.visibility_timeout_s * 1.25)


@pytest.fixture(scope="session", autouse=True)
def granted() -> Iterator[None]:
    """All that workers say to the database, their role in PostgreSQL may say."""
    with within_grants("workers", WORKER):
        yield
