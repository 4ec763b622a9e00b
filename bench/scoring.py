"""Scoring: milliseconds and images/s of each detector, against the same model in eager torch."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from bench.comparison import NONE, markdown, reached
from bench.development import SETS
from bench.fitting import IMAGES, SOURCE, THREADS, write_images
from bench.results import write_section
from bench.runs import KNOWN
from models.datasets import open_dataset
from models.scorer import load_scorer
from models.training import train

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from models.scorer import Scorer

#: Side of the pictures scored: that of most in MVTec AD.
PIXELS = 1024
BATCH = 8
#: Both runtimes take turns, so that a busy moment hits both.
ROUNDS = 10
#: Between turns: the threads of the one before go on spinning for a while.
PAUSE_S = 0.5


@dataclass(frozen=True)
class Goal:
    """What a detector should reach on two cores."""

    #: Name of the method.
    detector: str
    #: For an image alone.
    milliseconds: float
    #: In batches; None where nothing was asked for.
    per_second: float | None = None
    #: Known anomalies it is shown.
    anomalies: int = 0


GOALS = (
    Goal("patchcore", 8, 150),
    Goal("simplenet", 6),
    Goal("bgad", 25, anomalies=KNOWN),
    Goal("cutswap", 8),
)


@dataclass(frozen=True)
class Speed:
    """Of one model with one runtime."""

    #: Median of single images.
    milliseconds: float
    #: Median over batches.
    per_second: float


def main(arguments: Sequence[str]) -> int:
    """Train every detector, and let both runtimes score in turns; nothing else should run."""
    goals = [goal for goal in GOALS if goal.detector in _parse(arguments).only]
    lines = []
    with tempfile.TemporaryDirectory(prefix="linewatch-scoring-") as folder:
        data = Path(folder) / "data"
        write_images(data, IMAGES, 256)
        for goal in goals:
            model = Path(folder) / goal.detector
            train_one(goal, str(data), model)
            lines.append(_line(goal, *measure(model)))
            print(*lines[-1], flush=True)
    head = ["", "an image alone", "wanted", f"in batches of {BATCH}", "wanted"]
    head += ["torch, alone", "torch, in batches", "times as fast, alone", ""]
    write_section(
        "scoring",
        "Time to score: resizing and anomaly map included, decoding not. What torch does is the "
        "same model, eager, in 32-bit floats, PatchCore's search by faiss.",
        f"fast presets (tf_efficientnet_lite0, 256 px) trained on {IMAGES} images of {SOURCE}, "
        f"{THREADS} threads of one process, pictures of {PIXELS} x {PIXELS} pixels, medians, "
        f"{ROUNDS} alternating rounds; seed 0",
        markdown(head, lines),
    )
    return 0


def measure(model: Path) -> tuple[Speed, Speed]:
    """The speed with OpenVINO and with torch."""
    samples = open_dataset(str(SETS[SOURCE])).test
    every = len(samples) // BATCH
    pictures = [
        cv2.resize(sample.image(), (PIXELS, PIXELS), interpolation=cv2.INTER_CUBIC)
        for sample in samples[: every * BATCH : every]
    ]
    scorers = [load_scorer(model, runtime=r, threads=THREADS) for r in ("openvino", "torch")]
    alone: list[list[float]] = [[], []]
    batches: list[list[float]] = [[], []]
    for scorer in scorers:
        _seconds(scorer, pictures)
        _seconds(scorer, pictures[:1])
    for _ in range(ROUNDS):
        for which, scorer in enumerate(scorers):
            time.sleep(PAUSE_S)
            _seconds(scorer, pictures[:1])
            alone[which] += [_seconds(scorer, [picture]) for picture in pictures]
            batches[which] += [_seconds(scorer, pictures) for _ in range(3)]
    first, second = (
        Speed(statistics.median(a) * 1000, BATCH / statistics.median(b))
        for a, b in zip(alone, batches, strict=True)
    )
    return first, second


def _seconds(scorer: Scorer, pictures: Sequence[NDArray[np.uint8]]) -> float:
    start = time.perf_counter()
    scores = scorer.score(pictures)
    assert len(scores.anomaly_maps) == len(pictures)
    return time.perf_counter() - start


def train_one(goal: Goal, data: str, out: Path) -> None:
    """Train a goal's detector, fast preset."""
    train(data, detector=goal.detector, out=out, anomalies=goal.anomalies, threads=THREADS)


def _line(goal: Goal, ours: Speed, torchs: Speed) -> list[str]:
    is_reached = ours.milliseconds <= goal.milliseconds and (
        goal.per_second is None or ours.per_second >= goal.per_second
    )
    return [
        goal.detector + (f", {goal.anomalies} anomalies" if goal.anomalies else ""),
        f"{ours.milliseconds:.1f} ms",
        f"at most {goal.milliseconds:g} ms",
        f"{ours.per_second:.0f} images/s",
        NONE if goal.per_second is None else f"at least {goal.per_second:g}",
        f"{torchs.milliseconds:.1f} ms",
        f"{torchs.per_second:.0f} images/s",
        f"{torchs.milliseconds / ours.milliseconds:.1f}",
        reached(is_reached),
    ]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    names = [goal.detector for goal in GOALS]
    parser = argparse.ArgumentParser("python -m bench scoring", description=__doc__)
    parser.add_argument("--only", nargs="+", default=names, choices=names)
    return parser.parse_args(arguments)
