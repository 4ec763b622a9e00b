"""A scoring worker of a scenario, which may be told where in its work to die or to hang."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ingest.stream import FrameStream
from workers.config import ScoringConfig
from workers.entry import run_worker
from workers.recording import Recorder
from workers.scoring import Judged, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.frame import Frame


class TinyScorer:
    """Takes the mean brightness for the score, after a sleep: a model that costs nothing."""

    def __init__(self, ms: float) -> None:
        self._ms = ms

    def score(self, frames: Sequence[Frame]) -> list[Judged | Refused]:
        """One outcome a frame."""
        time.sleep(self._ms / 1e3 * len(frames))
        return [self._judge(frame) for frame in frames]

    def _judge(self, frame: Frame) -> Judged | Refused:
        image = cv2.imdecode(np.frombuffer(frame.image, np.uint8), cv2.IMREAD_GRAYSCALE)
        if image is None:
            return Refused("damaged", "the picture is cut off")
        return Judged(float(image.mean()), None, *image.shape[:2], self._ms)


def main() -> None:
    """Run with the settings given as JSON; a pool adds where its heartbeat is."""
    told = json.loads(sys.argv[1])
    heartbeat = Path(sys.argv[3]) if "--heartbeat" in sys.argv else None
    with Path(told.pop("log")).open("ab") as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
    faulthandler.enable()
    ms, phase, after_at_most = told.pop("ms"), told.pop("phase"), told.pop("after_at_most")
    if phase is not None:
        _spoil(phase, after_at_most)
    config = ScoringConfig(**told.pop("config"))
    run_worker(**told, config=config, load=lambda _: TinyScorer(ms), heartbeat=heartbeat)


def _spoil(phase: str, after_at_most: int) -> None:
    """End this process in `phase`, some time."""
    left = random.randint(1, after_at_most)

    def spoiled(real: Callable[..., Any], end: Callable[[], None], *, after: bool) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            result = real(*arguments, **named) if after else None
            left -= 1
            if left <= 0:
                end()
            return result if after else real(*arguments, **named)

        return call

    places: dict[str, tuple[Any, str, bool]] = {
        "before_read": (FrameStream, "read", False),
        "while_scoring": (TinyScorer, "score", False),
        "before_commit": (Recorder, "commit", False),
        "before_acknowledge": (Recorder, "commit", True),
        "hang": (TinyScorer, "score", False),
    }
    owner, name, after = places[phase]
    end = _hang if phase == "hang" else _die
    setattr(owner, name, spoiled(getattr(owner, name), end, after=after))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    """For ever in native code, with the interpreter's lock: no signal handler runs."""
    re.match("(a+)+$", "a" * 80 + "b")


if __name__ == "__main__":
    main()
