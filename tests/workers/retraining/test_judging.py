"""Two models on the same golden frames, in turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.datasets import Sample
from models.detector import Scores
from workers.retraining.judging import WARM_UPS, Entrant, judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class Listening:
    """Scores by brightness, and writes down who was asked."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self._name = name
        self._asked = asked

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        assert len(images) == 1
        self._asked.append(self._name)
        return Scores(np.array([images[0].mean()], np.float32), np.zeros((1, 2, 2), np.float32))


def test_models_take_turns_and_their_scores_stay_apart(tmp_path: Path) -> None:
    golden = []
    for level in (10, 200):
        path = tmp_path / f"{level}.png"
        cv2.imwrite(str(path), np.full((8, 8), level, np.uint8))
        golden.append(Sample(path.name, path, "good", None, "test"))
    asked: list[str] = []
    told: list[tuple[str, int, int]] = []
    entrants = [
        Entrant(None, Listening("candidate", asked), 1.0, 2.0),
        Entrant(3, Listening("champion", asked), 3.0, 4.0),
    ]

    ours, theirs = judge(golden, entrants, lambda *words: told.append(words))

    warm = ["candidate"] * (WARM_UPS + 1) + ["champion"] * (WARM_UPS + 1)
    assert asked == [*warm, "candidate", "champion"]
    assert ours.scores.tolist() == theirs.scores.tolist() == [10.0, 200.0]
    assert (ours.number, theirs.number) == (None, 3)
    assert (theirs.review, theirs.reject) == (3.0, 4.0)
    assert len(ours.latency_ms) == 2
    assert told == [("gate", 0, 2), ("gate", 1, 2)]


def test_no_golden_frames_give_empty_scores() -> None:
    [one] = judge([], [Entrant(None, Listening("candidate", []), 1.0, 2.0)], lambda *_: None)

    assert one.scores.shape == (0,)
    assert list(one.latency_ms) == []
