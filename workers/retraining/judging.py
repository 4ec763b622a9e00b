"""Lets two models score the golden frames side by side, one frame at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from workers.retraining.gate import Contender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from models.datasets import Sample
    from models.detector import Scores

#: The first runs of a model are slow and say nothing.
WARM_UPS = 3


class ImageScorer(Protocol):
    """The part of `models.scorer.Scorer` that is needed here."""

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        """Score decoded RGB images of any sizes."""
        ...


@dataclass(frozen=True, slots=True)
class Entrant:
    """A model that is to be judged, at its thresholds."""

    number: int | None
    scorer: ImageScorer
    review: float
    reject: float


def judge(
    golden: Sequence[Sample], entrants: Sequence[Entrant], tell: Callable[[str, int, int], None]
) -> list[Contender]:
    """Score every frame with every model, in turns: what else the machine does slows both alike."""
    scores = np.empty((len(entrants), len(golden)), dtype=np.float32)
    times = np.empty((len(entrants), len(golden)))
    for done, sample in enumerate(golden):
        tell("gate", done, len(golden))
        image = sample.image()
        for which, entrant in enumerate(entrants):
            for _ in range(WARM_UPS if done == 0 else 0):
                entrant.scorer.score([image])
            started = time.perf_counter()
            scores[which, done] = entrant.scorer.score([image]).image_scores[0]
            times[which, done] = (time.perf_counter() - started) * 1e3
    return [
        Contender(one.number, scores[which], one.review, one.reject, times[which].tolist())
        for which, one in enumerate(entrants)
    ]
