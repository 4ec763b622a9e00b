"""One scoring process: loads the model as a worker does, then scores what it is asked to."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING

from linewatch.errors import CapacityError, expected_message
from models.scorer import load_scorer
from workers.scoring import ModelScorer, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.sharedctypes import Synchronized
    from pathlib import Path

    from ingest.frame import Frame
    from linewatch.capacity.loads import Load

#: Sizes of batches up to this are scored once before any time is taken: a runtime may prepare
#: itself for each.
WARM_UP_TO = 8


@dataclass(frozen=True)
class ChildConfig:
    """What every scoring process is given."""

    model_dir: Path
    #: Encoded pictures, scored in turn.
    frames: list[Frame]
    threads: int
    #: Largest batch it will be asked for.
    max_batch: int
    max_pixels: int


@dataclass(frozen=True)
class Ready:
    """The model is loaded and warm."""

    #: What runs it: `openvino` or `torch`.
    runtime: str


@dataclass(frozen=True)
class Failed:
    """The process cannot go on, for a reason that a person can understand."""

    message: str


def run_child(config: ChildConfig, taken: Synchronized[int], pipe: Connection) -> None:
    """Answer each load with its result, until None comes or the other end is gone."""
    # Ctrl-C reaches all processes of a terminal; ours ends the children itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        scorer = load_scorer(config.model_dir, threads=config.threads)
        score = _batches(ModelScorer(scorer, max_pixels=config.max_pixels), config.frames)
        for size in {*range(1, min(config.max_batch, WARM_UP_TO) + 1), config.max_batch}:
            score(size)
        pipe.send(Ready(scorer.runtime))
        while (load := _receive(pipe)) is not None:
            pipe.send(load.run(score, taken))
    except Exception as exc:
        message = expected_message(exc)
        if message is None:
            raise
        pipe.send(Failed(message))


def _receive(pipe: Connection) -> Load | None:
    try:
        load: Load | None = pipe.recv()
    except EOFError:  # who asked was killed
        return None
    return load


def _batches(scorer: ModelScorer, frames: list[Frame]) -> Callable[[int], None]:
    """A function that scores so many frames, the next ones each time."""
    endless = cycle(frames)

    def score(count: int) -> None:
        for outcome in scorer.score(list(islice(endless, count))):
            if isinstance(outcome, Refused):
                why = f"{outcome.reason}: {outcome.detail}"
                raise CapacityError(f"a picture cannot be scored: {why}")

    return score
