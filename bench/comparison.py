"""From stored runs to figures that may be compared: of the same images, with what is missing."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.run_once import AS_TRAINED
from bench.runs import shown_images
from models import metrics
from models.datasets import open_dataset
from models.datasets.base import GOOD
from models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from bench.runs import Run
    from bench.store import Store

#: Stands where a figure cannot be had.
NONE = "–"


@dataclass(frozen=True)
class Row:
    """One line of a table: a run that is done on every set with every seed."""

    #: What it is called on the command line.
    name: str
    #: What it is called in the table.
    label: str
    #: Its set and seed are put in by `Run.on`.
    run: Run
    #: Measured at this share, one of the run's `smaller_coresets`; None as trained.
    coreset: float | None = None


@dataclass(frozen=True)
class Result:
    """What is known of one row on one set with one seed."""

    #: Kind of defect of each scored image, by name.
    defects: dict[str, str]
    #: Raw image scores, by name.
    scores: dict[str, float]
    #: `EvaluationReport`'s, of the images that no compared run was shown.
    report: dict[str, Any]
    #: `TrainReport`'s.
    trained: dict[str, Any]

    def image_auroc(
        self, left_out: Collection[str], kinds: Collection[str] | None = None
    ) -> float | None:
        """Image AUROC without the images named, of all defects or of some kinds."""
        chosen = [
            name
            for name, defect in self.defects.items()
            if name not in left_out and (kinds is None or defect in {GOOD, *kinds})
        ]
        scores = np.array([self.scores[name] for name in chosen])
        return metrics.image_auroc(scores, np.array([self.defects[n] != GOOD for n in chosen]))


class Comparison:
    """Rows measured on exactly the same images: those that none of them was shown."""

    def __init__(self, store: Store, rows: Sequence[Row], seeds: Sequence[int]) -> None:
        """Compare `rows` over `seeds`, as far as `store` has their runs."""
        self.rows = rows
        self.seeds = seeds
        self._result = cache(lambda row, data, seed: _find(store, row, data, seed))
        self._left_out = cache(self._draw)

    def runs(self, data: Iterable[str]) -> list[Run]:
        """All runs, each once, the first seed of everything first."""
        sets = list(data)
        every = [row.run.on(d, seed) for seed in self.seeds for row in self.rows for d in sets]
        return list(dict.fromkeys(every))

    def missing(self, data: str) -> list[str]:
        """The rows and seeds without a result, in words."""
        found = []
        for row in self.rows:
            seeds = [s for s in self.seeds if self._result(row, data, s) is None]
            if seeds:
                found.append(f"{row.label}, seed {' '.join(map(str, seeds))}")
        return found

    def aurocs(
        self, row: Row, data: str, kinds: Collection[str] | None = None
    ) -> dict[int, float | None]:
        """Image AUROC by seed, where there is a result; `kinds` of defects, or all."""
        return {
            seed: result.image_auroc(self._left_out(data, seed), kinds)
            for seed, result in self._results(row, data).items()
        }

    def reported(self, row: Row, data: str, figure: str) -> dict[int, float | None]:
        """A figure of the evaluation or the training by seed, where there is a result."""
        return {
            seed: (result.report | result.trained).get(figure)
            for seed, result in self._results(row, data).items()
        }

    def difference(self, left: Row, right: Row, data: str) -> float | None:
        """Mean of left minus right, image AUROC, over the seeds that both have."""
        ours, theirs = self.aurocs(left, data), self.aurocs(right, data)
        pairs = [(ours[seed], theirs[seed]) for seed in ours.keys() & theirs.keys()]
        known = [a - b for a, b in pairs if a is not None and b is not None]
        return statistics.mean(known) if known else None

    def _results(self, row: Row, data: str) -> dict[int, Result]:
        found = {seed: self._result(row, data, seed) for seed in self.seeds}
        return {seed: result for seed, result in found.items() if result is not None}

    def _draw(self, data: str, seed: int) -> set[str]:
        return shown_images(open_dataset(data), [row.run.on(data, seed) for row in self.rows])


def kinds_of(data: str) -> list[str]:
    """The kinds of defects in a set, in its order."""
    return list(dict.fromkeys(s.defect for s in open_dataset(data).test if s.is_anomalous))


def in_words(by_seed: dict[int, float | None], seeds: int, digits: int = 3) -> str:
    """Mean and standard deviation; says how many seeds where these are not all."""
    values = [value for value in by_seed.values() if value is not None]
    if not values:
        return NONE
    text = f"{statistics.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ± {statistics.stdev(values):.{digits}f}"
    return text if len(values) == seeds else f"{text} ({len(values)} of {seeds})"


def mean(by_seed: dict[int, float | None]) -> float | None:
    """Over the seeds there are."""
    values = [value for value in by_seed.values() if value is not None]
    return statistics.mean(values) if values else None


def mean_over(values: Iterable[float | None]) -> str:
    """Mean over sets in words; only where every set has a figure."""
    known = list(values)
    complete = [value for value in known if value is not None]
    return f"{statistics.mean(complete):.3f}" if len(complete) == len(known) else NONE


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table."""
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))


def reached(is_reached: bool) -> str:
    """What the last column says of a goal."""
    return "reached" if is_reached else "**not reached**"


def _find(store: Store, row: Row, data: str, seed: int) -> Result | None:
    try:
        record = store.find(row.run.on(data, seed))
    except ModelError:
        # The set is not on this machine, or the detector does not exist yet.
        return None
    if record is None:
        return None
    measured = record["measured"][AS_TRAINED if row.coreset is None else str(row.coreset)]
    return Result(
        defects={name: defect for name, (defect, _) in measured["scores"].items()},
        scores={name: score for name, (_, score) in measured["scores"].items()},
        report=measured["report"],
        trained=record["trained"],
    )
