"""PatchCore against the independent one of `reference_patchcore`, at the same settings."""

from __future__ import annotations

import argparse
import statistics
from typing import TYPE_CHECKING

from bench.accuracy import PATCHCORE, SEEDS
from bench.comparison import NONE, Comparison, Row, in_words, markdown
from bench.development import SETS
from bench.results import write_section
from bench.runs import Run
from bench.store import Store, do_all
from models.patchcore.parameters import PRESETS

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAST = PRESETS["fast"]
REFERENCE = Row(
    "reference",
    "independent",
    Run(
        "reference",
        settings=(
            ("coreset_fraction", _FAST.coreset_fraction),
            ("bank_limit", _FAST.bank_limit),
        ),
        apart=(),
    ),
)
#: Image AUROC; further apart in the mean over the seeds is not the same method.
TOLERANCE = 0.005


def main(arguments: Sequence[str]) -> int:
    """Do the runs that are missing, and write the section."""
    parser = argparse.ArgumentParser("python -m bench reference", description=__doc__)
    parser.add_argument("--summary", action="store_true", help="only write the section")
    parser.add_argument("--launcher", default="", help="command put before each run's: nice -n 5")
    options = parser.parse_args(arguments)
    store, sets = Store(), {name: str(data) for name, data in SETS.items()}
    compared = Comparison(store, (PATCHCORE, REFERENCE), SEEDS)
    failed = []
    if not options.summary:
        failed = do_all(store, compared.runs(sets.values()), options.launcher)
        compared = Comparison(store, (PATCHCORE, REFERENCE), SEEDS)
    write_section(
        "reference",
        "Image AUROC of PatchCore and of an independent implementation (timm in eager torch, its "
        "own resizing, projection and random choices, a greedy coreset that visits every patch "
        "for every choice, every distance in float64), on all test images.",
        f"{_FAST.backbone}, 256 px, strides {_FAST.strides}, 3x3 mean, coreset "
        f"{_FAST.coreset_fraction} of at most {_FAST.bank_limit} patches, seeds {SEEDS}; both "
        "are fitted on the same images, their random projections and first patches differ",
        _table(compared, sets),
    )
    return 1 if failed else 0


def _table(compared: Comparison, sets: dict[str, str]) -> str:
    lines, differences = [], []
    for name, data in sets.items():
        figures = [compared.aurocs(row, data) for row in compared.rows]
        difference = compared.difference(PATCHCORE, REFERENCE, data)
        if difference is not None:
            differences.append(difference)
        cells = [in_words(figure, len(compared.seeds), 4) for figure in figures]
        lines.append([name, *cells, *_judged(difference)])
    if len(differences) == len(sets):
        lines.append(["mean", "", "", *_judged(statistics.mean(differences))])
    return markdown(["", "PatchCore", "independent", "difference", "within 0.005"], lines)


def _judged(difference: float | None) -> list[str]:
    if difference is None:
        return [NONE, "not measured"]
    return [f"{difference:+.4f}", "yes" if abs(difference) <= TOLERANCE else "**no**"]
