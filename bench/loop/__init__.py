"""The loop, measured without a person: the truth of an image set answers as the operator.

Everything runs as in a plant: the embedded server, SQLite, the image store, scoring workers, the
trainer and the schedule as processes; the answers, wishes and promotions go through the functions
of `db` that the pages call. `python -m bench loop` does five parts, each by itself with `--only`,
and writes its section and plots from what is kept in `bench/.runs/loop`.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Do the parts that have no result yet, and write the section."""
    # Not above: the child processes import this package too, and need none of it.
    from bench.loop.command import run

    # Ends the processes of a plant too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return run(arguments)
