"""From encoded frames to image scores and anomaly maps, without one bad frame harming another."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from models.errors import ImageError
from models.images import decode
from workers.errors import INTERRUPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ingest.frame import Frame
    from models.detector import Scores

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Judged:
    """A frame's score."""

    #: Raw image score: higher is more anomalous.
    score: float
    #: Works out the anomaly map, (H, W) float32, same unit; None from a scorer that has none.
    anomaly_map: Callable[[], NDArray[np.float32]] | None
    height_px: int | None
    width_px: int | None
    #: The batch's scoring time, decoding included, divided by its frames.
    score_ms: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that cannot be scored, and why."""

    #: Short code, for counting.
    reason: str
    detail: str


class FrameScorer(Protocol):
    """Scores encoded frames; one outcome for each, in order."""

    def score(self, frames: Sequence[Frame]) -> list[Judged | Refused]:
        """Score `frames`; never raises for a bad frame, but says Refused."""
        ...


class ImageScorer(Protocol):
    """The part of `models.scorer.Scorer` that is needed here."""

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        """Score decoded RGB images of any sizes."""
        ...


class ModelScorer:
    """Decodes frames and scores them with a trained model, as one batch."""

    def __init__(self, scorer: ImageScorer, *, max_pixels: int) -> None:
        self._scorer = scorer
        self._max_pixels = max_pixels

    def score(self, frames: Sequence[Frame]) -> list[Judged | Refused]:
        """Score `frames`; a batch that fails is halved until the frames at fault stand alone."""
        outcomes: list[Judged | Refused | None] = [None] * len(frames)
        started = time.perf_counter()
        images: list[tuple[int, NDArray[np.uint8]]] = []
        for index, frame in enumerate(frames):
            try:
                images.append((index, decode(frame.image, max_pixels=self._max_pixels)))
            except ImageError as exc:
                outcomes[index] = Refused(exc.reason, str(exc))
        decode_ms = (time.perf_counter() - started) * 1e3 / max(len(frames), 1)
        self._score_images(images, outcomes, decode_ms)
        return [outcome for outcome in outcomes if outcome is not None]

    def _score_images(
        self,
        images: list[tuple[int, NDArray[np.uint8]]],
        outcomes: list[Judged | Refused | None],
        decode_ms: float,
    ) -> None:
        if not images:
            return
        started = time.perf_counter()
        try:
            scores = self._scorer.score([image for _, image in images])
        except INTERRUPTIONS:
            raise
        except Exception as exc:
            log.warning("scoring.batch_failed", frames=len(images), exc_info=True)
            if len(images) == 1:
                index = images[0][0]
                outcomes[index] = Refused("scoring_failed", f"{type(exc).__name__}: {exc}")
                return
            middle = len(images) // 2
            self._score_images(images[:middle], outcomes, decode_ms)
            self._score_images(images[middle:], outcomes, decode_ms)
            return
        score_ms = (time.perf_counter() - started) * 1e3 / len(images) + decode_ms
        for position, (index, image) in enumerate(images):
            score = float(scores.image_scores[position])
            if not math.isfinite(score):
                outcomes[index] = Refused("scoring_failed", f"the image score is {score}")
                continue
            outcomes[index] = Judged(
                score=score,
                anomaly_map=partial(scores.anomaly_map, position),
                height_px=image.shape[0],
                width_px=image.shape[1],
                score_ms=score_ms,
            )
