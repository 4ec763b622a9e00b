"""One scoring worker process of a benchmark; with `stand_in_ms`, its scorer only takes time."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from workers.config import ScoringConfig
from workers.entry import run_worker
from workers.scoring import Judged, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.frame import Frame


class StandIn:
    """Finds every frame perfect without looking at it, after a sleep."""

    def __init__(self, ms: float) -> None:
        """Sleep `ms` a frame."""
        self._ms = ms

    def score(self, frames: Sequence[Frame]) -> list[Judged | Refused]:
        """One outcome a frame; the time measured is the way, not the model."""
        time.sleep(self._ms / 1e3 * len(frames))
        return [Judged(0.0, None, None, None, self._ms) for _ in frames]


def main() -> None:
    """Run with the settings given as JSON."""
    arguments = json.loads(sys.argv[1])
    config, ms = ScoringConfig(**arguments.pop("config")), arguments.pop("stand_in_ms")
    run_worker(**arguments, config=config, load=None if ms is None else lambda _: StandIn(ms))


if __name__ == "__main__":
    main()
