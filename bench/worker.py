"""One scoring worker process of a benchmark; with `null`, its scorer does nothing at all."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from workers.config import ScoringConfig
from workers.entry import run_worker
from workers.scoring import Judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.frame import Frame


class NullScorer:
    """Finds every frame perfect without looking at it."""

    def score(self, frames: Sequence[Frame]) -> list[Judged]:
        """One outcome a frame; the time measured is the way, not the model."""
        return [Judged(0.0, None, None, None, 0.0) for _ in frames]


def main() -> None:
    """Run with the settings given as JSON."""
    arguments = json.loads(sys.argv[1])
    null = arguments.pop("null")
    config = ScoringConfig(**arguments.pop("config"))
    run_worker(**arguments, config=config, load=(lambda _: NullScorer()) if null else None)


if __name__ == "__main__":
    main()
