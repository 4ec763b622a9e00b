"""What fails in a plant, made to fail under load; and an independent account of every frame.

`python -m bench faults` (`command.py`) runs the scenarios of `scenarios.py`, each on a plant of
real processes (`place.py`). Cameras (`camera.py`) write into a journal what they made before they
send it; `account.py` compares that with what database, quarantine and drop counters hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run scenarios, and write the section."""
    # Not above: the child processes import this package too, and need none of it.
    from bench.faults.command import main as run

    return run(arguments)
