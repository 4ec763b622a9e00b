"""A scoring worker process with a stand-in model, slow enough to be killed in a batch."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from models.detector import Scores
from workers.config import ScoringConfig
from workers.entry import run_worker
from workers.scoring import ModelScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class SlowBrightness:
    """Takes 5 ms an image, or what it is told."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        time.sleep(self._seconds * len(images))
        means = np.array([image.mean() / 255 for image in images], dtype=np.float32)
        return Scores(image_scores=means, patch_scores=np.repeat(means, 64).reshape(-1, 8, 8))


def main() -> None:
    arguments = json.loads(sys.argv[1])
    config = ScoringConfig(**arguments.pop("config"))
    detector = SlowBrightness(arguments.pop("seconds", 0.005))
    scorer = ModelScorer(detector, max_pixels=config.max_image_pixels)
    run_worker(**arguments, config=config, load=lambda _: scorer)


if __name__ == "__main__":
    main()
