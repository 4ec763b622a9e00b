"""PatchCore extended by images it has not seen, against one fitted on all of them from the start.

The test images choose nothing. What the one is fitted on or calibrated with, so is the other: only
the order in which the images come differs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.comparison import markdown, reached
from bench.development import SETS
from bench.fitting import THREADS, write_images
from bench.results import write_section
from models.datasets import open_dataset
from models.evaluation import evaluate_model
from models.extending import extend
from models.scorer import load_scorer
from models.splitting import split_held_out
from models.training import TrainingSet, train_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.datasets import Dataset, Sample
    from models.evaluation import EvaluationReport

SEEDS = (0, 1, 2)
#: Images added; where a fifth of the set is fewer, so many.
NEW = 50
#: Images in the model before, where time is measured, and the side of all.
OLD, PIXELS = 320, 1024
#: Times that the command is run.
REPEATS = 3
WANTED_WITHIN, WANTED_S = 0.005, 5.0

_HEAD = [
    *("", "before", "extended", "refit", "extended − refit", "largest", "two refits, largest"),
    *("wanted", ""),
]
#: Added to the seed of a refit whose choice of patches is another one.
_OTHER = 1000


@dataclass(frozen=True)
class Case:
    """Where old and new images come from."""

    name: str
    #: Set of the old images.
    data: str
    #: Set of the new images and of the test; it may be the same, without what is added later.
    new: str

    def images(self, seed: int) -> tuple[list[Sample], list[Sample], Dataset]:
        """Old images, new ones, and the set whose test images are measured on."""
        tested = open_dataset(self.new)
        train = tested.train
        count = min(NEW, len(train) // 5)
        drawn = set(np.random.default_rng(seed).permutation(len(train))[:count].tolist())
        new = [sample for place, sample in enumerate(train) if place in drawn]
        rest = [sample for place, sample in enumerate(train) if place not in drawn]
        return rest if self.new == self.data else open_dataset(self.data).train, new, tested


CASES = (
    *(Case(name, str(data), str(data)) for name, data in SETS.items()),
    Case("elpv-mono, poly added", str(SETS["elpv-mono"]), str(SETS["elpv-poly"])),
)


@dataclass(frozen=True)
class Compared:
    """Figures of four models on the same test images."""

    before: EvaluationReport
    extended: EvaluationReport
    refit: EvaluationReport
    #: Of the same images, with other random choices: how far two refits are apart.
    again: EvaluationReport

    def figures(self, name: str) -> list[float | None]:
        """One figure of each."""
        reports = (self.before, self.extended, self.refit, self.again)
        return [getattr(report, name) for report in reports]


def main(arguments: Sequence[str]) -> int:
    """Measure, and write the section."""
    options = _parse(arguments)
    times = _times(options.launcher)
    lines = []
    for case in CASES:
        if case.name in options.cases:
            compared = [compare(case, seed) for seed in options.seeds]
            lines += [
                line
                for figure in ("image_auroc", "pixel_auroc", "false_reject_rate")
                if (line := _line(case.name, figure, compared))
            ]
    write_section(
        "incremental",
        f"PatchCore fitted without {NEW} of its images (a fifth, where that is fewer), extended by "
        "them, and fitted on all: the last two on the same images, with the same held out. In the "
        "last case the old images are monocrystalline cells, the new ones and the test "
        "polycrystalline ones. Means over the seeds, and the largest difference of a seed; beside "
        "it that of two refits on the same images with other random choices. Times "
        f"are those of `linewatch extend` with {NEW} images of {PIXELS} x {PIXELS} pixels and a "
        f"model of {OLD} (median of {REPEATS}), and of `linewatch train` with all.",
        f"fast preset (tf_efficientnet_lite0, 256 px), {THREADS} threads, "
        f"seeds {', '.join(map(str, options.seeds))}; seed 0 for the times",
        f"{markdown(_HEAD, lines)}\n\n{markdown(['', '', 'wanted', ''], times)}",
    )
    return 0


def compare(case: Case, seed: int) -> Compared:
    """Fit on the old images, extend by the new ones, and fit on all."""
    old, new, tested = case.images(seed)
    fitted, held_out = split_held_out(old, seed)
    # As `extend` splits them.
    new_fitted, new_held_out = split_held_out(new, seed)
    all_of_them = TrainingSet([*fitted, *new_fitted], [*held_out, *new_held_out], [], [*old, *new])
    with tempfile.TemporaryDirectory(prefix="linewatch-incremental-") as folder:
        before, extended, refit, again = (Path(folder) / str(number) for number in range(4))
        _train(TrainingSet(fitted, held_out, [], old), before, seed)
        extend(before, new, out=extended, seed=seed, threads=THREADS)
        _train(all_of_them, refit, seed)
        _train(all_of_them, again, seed + _OTHER)
        reports = [
            evaluate_model(load_scorer(model, threads=THREADS), tested)
            for model in (before, extended, refit, again)
        ]
    compared = Compared(*reports)
    print(f"{case.name}, seed {seed}: {compared.figures('image_auroc')}", flush=True)
    return compared


def _train(chosen: TrainingSet, out: Path, seed: int) -> None:
    train_on(chosen, detector="patchcore", out=out, seed=seed, threads=THREADS)


def _line(case: str, figure: str, compared: Sequence[Compared]) -> list[str] | None:
    """A line of the table; None where the figure could not be had."""
    each = [one.figures(figure) for one in compared]
    if any(value is None for values in each for value in values):
        return None
    figures = np.array(each, dtype=float)  # (seeds, models)
    before, extended, refit, again = figures.T
    apart = (extended - refit).mean()
    is_judged = figure.endswith("auroc")
    return [
        f"{case}, {figure.replace('_', ' ').replace('auroc', 'AUROC')}",
        *(f"{values.mean():.4f}" for values in (before, extended, refit)),
        f"{apart:+.4f}",
        f"{np.abs(extended - refit).max():.4f}",
        f"{np.abs(again - refit).max():.4f}",
        f"within {WANTED_WITHIN:g}" if is_judged else "",
        reached(abs(apart) <= WANTED_WITHIN) if is_judged else "",
    ]


def _times(launcher: str) -> list[list[str]]:
    with tempfile.TemporaryDirectory(prefix="linewatch-incremental-") as folder:
        root = Path(folder)
        write_images(root / "all", OLD + NEW, PIXELS)
        train = open_dataset(root / "all").train
        every = len(train) // NEW
        for place, sample in enumerate(train):
            part = "new" if place % every == 0 and place // every < NEW else "old"
            link = root / part / sample.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(sample.path)
        fit = ("--detector", "patchcore", "--out")
        _linewatch("", root, "train", root / "old", *fit, root / "model")
        runs = [
            _linewatch(
                launcher, root, "extend", root / "model", root / "new", "--out", root / str(turn)
            )
            for turn in range(REPEATS)
        ]
        refit = _linewatch(launcher, root, "train", root / "all", *fit, root / "refit")
    seconds = statistics.median(run["seconds"] for run in runs)
    return [
        [
            "extended, from reading the model to the written one",
            f"{seconds:.1f} s",
            f"at most {WANTED_S:g} s",
            reached(seconds <= WANTED_S),
        ],
        ["fitted on all", f"{refit['fit_seconds']:.1f} s", "", ""],
        ["ratio", f"{refit['fit_seconds'] / seconds:.1f}", "", ""],
    ]


def _linewatch(launcher: str, root: Path, *arguments: object) -> dict[str, Any]:
    """Run a command in a process of its own, and read its figures."""
    figures = root / "figures.json"
    words = [*shlex.split(launcher), sys.executable, "-m", "linewatch", *map(str, arguments)]
    subprocess.run([*words, "--json", str(figures)], check=True, capture_output=True)
    read: dict[str, Any] = json.loads(figures.read_text())
    return read


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser("python -m bench incremental", description=__doc__)
    parser.add_argument("--cases", nargs="*", default=names, choices=names)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--launcher", default="", help="put before commands that are timed: flock")
    return parser.parse_args(arguments)
