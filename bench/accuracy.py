"""All detectors on all sets, three seeds: figures of the last epoch, on exactly the same images.

Hours of work on two cores. It can be stopped and called again: what is done is kept. Called twice
at once, the two share the work.
"""

from __future__ import annotations

import argparse
import statistics
from typing import TYPE_CHECKING

from bench.comparison import (
    NONE,
    Comparison,
    Row,
    in_words,
    kinds_of,
    markdown,
    mean,
    mean_over,
    reached,
)
from bench.development import SETS
from bench.results import write_section
from bench.runs import KNOWN, Draw, Run, short_name
from bench.store import Store, do_all

if TYPE_CHECKING:
    from collections.abc import Sequence

SEEDS = (0, 1, 2)
SMALL = 0.001

PATCHCORE = Row("patchcore", "PatchCore", Run("patchcore", smaller_coresets=(SMALL,)))
PATCHCORE_SMALL = Row("patchcore", "PatchCore, coreset 0.001", PATCHCORE.run, SMALL)
SIMPLENET = Row("simplenet", "SimpleNet", Run("simplenet"))
BGAD = Row("bgad-0", "BGAD, no anomalies", Run("bgad"))
BGAD_SHOWN = Row("bgad-10", "BGAD, 10 anomalies", Run("bgad", shown=Draw(KNOWN)))
CUTSWAP = Row("cutswap", "CutSwap + PatchCore", Run("cutswap", smaller_coresets=(SMALL,)))
CUTSWAP_SMALL = Row("cutswap", "CutSwap + PatchCore, coreset 0.001", CUTSWAP.run, SMALL)
CUTPASTE = Row("cutpaste", "CutPaste + PatchCore", Run("cutpaste", smaller_coresets=(SMALL,)))
CUTPASTE_SMALL = Row("cutpaste", "CutPaste + PatchCore, coreset 0.001", CUTPASTE.run, SMALL)
ROWS = (
    PATCHCORE,
    PATCHCORE_SMALL,
    SIMPLENET,
    BGAD,
    BGAD_SHOWN,
    CUTSWAP,
    CUTSWAP_SMALL,
    CUTPASTE,
    CUTPASTE_SMALL,
)

#: The set with several kinds of defects, those that BGAD is shown there, and the one that is
#: mostly shading and reported apart.
KINDS_SET = "magnetic_tile"
SEEN = ("blowhole", "crack")
HARDLY_VISIBLE = "uneven"
BGAD_SEEN = Row("bgad-seen", f"BGAD, 10 of {' and '.join(SEEN)}", Run("bgad", shown=Draw(10, SEEN)))

#: What is wanted of image AUROC in the mean over the sets: left minus right, at least so much;
#: None is above 0.
WANTED: tuple[tuple[Row, Row, float | None], ...] = (
    (SIMPLENET, PATCHCORE, -0.01),
    (BGAD_SHOWN, BGAD, None),
    (BGAD_SHOWN, PATCHCORE, None),
    (BGAD_SHOWN, SIMPLENET, None),
    (CUTSWAP, CUTPASTE, None),
    (CUTSWAP_SMALL, CUTPASTE_SMALL, None),
    (CUTSWAP_SMALL, PATCHCORE_SMALL, None),
)


def main(arguments: Sequence[str]) -> int:
    """Do what is missing of what was asked for, and write the section from all there is."""
    options = _parse(arguments)
    store = Store()
    failed = []
    if not options.summary:
        chosen = [row for row in (*ROWS, BGAD_SEEN) if _is_asked_for(row, options.only)]
        runs = [
            run
            for run in Comparison(store, chosen, options.seeds).runs(
                str(SETS[name]) for name in options.sets
            )
            if not run.shown.kinds or short_name(run.data) == KINDS_SET
        ]
        failed = do_all(store, runs, options.launcher)
    write_section(
        "accuracy",
        "Image AUROC of every detector: mean ± standard deviation over the seeds, of the last "
        "epoch. All are measured on the same images: the ten anomalies that BGAD is shown "
        "(drawn by seed) are in nobody's test. No preset was chosen by a test image, but by the "
        "sets that bench/development.py makes of training images.",
        f"fast presets, 256 px, seeds {', '.join(map(str, SEEDS))}, one thread a run; PatchCore's "
        "banks are limited to 4,000 patches, which on magnetic_tile is coreset 0.0064; "
        "banks at 0.001 are the first rows of these, as the choice is greedy",
        summary(store, {name: str(data) for name, data in SETS.items()}),
    )
    return 1 if failed else 0


def summary(store: Store, sets: dict[str, str], seeds: Sequence[int] = SEEDS) -> str:
    """The tables from the runs there are, and which are missing; `sets` by name."""
    compared = Comparison(store, ROWS, seeds)
    seen = Comparison(store, (BGAD, BGAD_SEEN), seeds)
    parts = [
        _image_table(compared, sets),
        f"Each kind of defect of {KINDS_SET} against its good images:",
        _kinds_table(compared, sets[KINDS_SET], {}),
        f"BGAD shown only {' and '.join(SEEN)} of {KINDS_SET}, and its unsupervised variant, on "
        "the images that neither was shown:",
        _kinds_table(seen, sets[KINDS_SET], {"seen kinds": SEEN, "unseen kinds": _unseen(sets)}),
        "Pixel AUROC / AUPRO up to a false positive rate of 0.3, where there are masks:",
        _pixel_table(compared, sets),
        "Differences of image AUROC, over the seeds that both have:",
        _wanted_table(compared, seen, sets),
    ]
    missing = [f"{name}: {'; '.join(m)}" for name, d in sets.items() if (m := compared.missing(d))]
    if found := seen.missing(sets[KINDS_SET]):
        missing.append(f"{KINDS_SET}, seen and unseen: {'; '.join(found)}")
    if missing:
        parts += ["Runs still missing:", "\n".join(f"- {line}" for line in missing)]
    return "\n\n".join(parts)


def _image_table(compared: Comparison, sets: dict[str, str]) -> str:
    visible = [kind for kind in kinds_of(sets[KINDS_SET]) if kind != HARDLY_VISIBLE]
    head = ["", *sets, "mean of sets", f"{KINDS_SET} without {HARDLY_VISIBLE}"]
    lines = []
    for row in compared.rows:
        each = [compared.aurocs(row, data) for data in sets.values()]
        without = compared.aurocs(row, sets[KINDS_SET], visible)
        cells = [*(in_words(figures, len(compared.seeds)) for figures in each)]
        cells += [mean_over(map(mean, each)), in_words(without, len(compared.seeds))]
        lines.append([row.label, *cells])
    return markdown(head, lines)


def _kinds_table(compared: Comparison, data: str, groups: dict[str, Sequence[str]]) -> str:
    columns = {kind: [kind] for kind in kinds_of(data)} | groups
    return markdown(
        ["", *columns],
        [
            [
                row.label,
                *(
                    in_words(compared.aurocs(row, data, kinds), len(compared.seeds))
                    for kinds in columns.values()
                ),
            ]
            for row in compared.rows
        ],
    )


def _pixel_table(compared: Comparison, sets: dict[str, str]) -> str:
    with_masks = {name: data for name, data in sets.items() if not data.startswith("elpv")}

    def cell(row: Row, data: str) -> str:
        figures = (compared.reported(row, data, name) for name in ("pixel_auroc", "aupro"))
        return " / ".join(in_words(figure, len(compared.seeds)) for figure in figures)

    lines = [[r.label, *(cell(r, data) for data in with_masks.values())] for r in compared.rows]
    return markdown(["", *with_masks], lines)


def _wanted_table(compared: Comparison, seen: Comparison, sets: dict[str, str]) -> str:
    lines = []
    for left, right, least in WANTED:
        each = [compared.difference(left, right, data) for data in sets.values()]
        lines.append([f"{left.label} − {right.label}", *_judged(each, least)])
    unseen = _unseen(sets)
    ours, theirs = (seen.aurocs(row, sets[KINDS_SET], unseen) for row in (BGAD_SEEN, BGAD))
    both = [
        a - b
        for seed in ours.keys() & theirs.keys()
        if (a := ours[seed]) is not None and (b := theirs[seed]) is not None
    ]
    judged = _judged([statistics.mean(both) if both else None], 0.0)
    cells = [judged[0] if name == KINDS_SET else "" for name in sets]
    lines.append([f"{BGAD_SEEN.label} − {BGAD.label}, unseen kinds", *cells, *judged[1:]])
    return markdown(["", *sets, "mean", "wanted", ""], lines)


def _judged(differences: Sequence[float | None], least: float | None) -> list[str]:
    known = [value for value in differences if value is not None]
    cells = [NONE if value is None else f"{value:+.4f}" for value in differences]
    wanted = "above 0" if least is None else f"at least {least:g}"
    if len(known) < len(differences):
        return [*cells, NONE, wanted, "not measured on all"]
    total = statistics.mean(known)
    is_reached = total > 0 if least is None else total >= least
    return [*cells, f"{total:+.4f}", wanted, reached(is_reached)]


def _unseen(sets: dict[str, str]) -> list[str]:
    return [kind for kind in kinds_of(sets[KINDS_SET]) if kind not in SEEN]


def _is_asked_for(row: Row, names: Sequence[str]) -> bool:
    return not names or any(row.name == n or row.name.startswith(f"{n}-") for n in names)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    names = ", ".join(dict.fromkeys(row.name for row in (*ROWS, BGAD_SEEN)))
    parser = argparse.ArgumentParser("python -m bench accuracy", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help=f"of {names}; bgad is all its three")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--summary", action="store_true", help="only write the section")
    parser.add_argument("--launcher", default="", help="command put before each run's: nice -n 5")
    return parser.parse_args(arguments)
