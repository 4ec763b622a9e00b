"""A grid of settings on any set, as a table: the papers' ablations, or `free` with any settings.

Every row is measured on the same images: those that no row is shown. It can be stopped and called
again: what is done is kept.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.ablation_tables import TABLES, grid
from bench.comparison import NONE, Comparison, Row, in_words, kinds_of, markdown
from bench.results import machine
from bench.runs import Draw, Run, short_name
from bench.store import Store, do_all
from models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

FREE = "free"


def main(arguments: Sequence[str]) -> int:
    """Do the runs that are missing, and write the table to the terminal and to a file."""
    options = _parse(arguments)
    try:
        rows = rows_of(options)
    except (ModelError, ValueError) as exc:
        print(f"error: {exc}")
        return 2
    failed = []
    compared = Comparison(Store(), rows, options.seeds)
    if not options.summary:
        failed = do_all(Store(), compared.runs([options.data]), options.launcher)
        compared = Comparison(Store(), rows, options.seeds)
    text = table(options.table, compared, options.data)
    print(text)
    file = options.out or Path(f"ablation-{options.table}-{short_name(options.data)}.md")
    file.write_text(text + "\n", encoding="utf-8")
    return 1 if failed else 0


def rows_of(options: argparse.Namespace) -> list[Row]:
    """The rows of the table asked for, with what is asked for all of them."""
    if options.table == FREE:
        if not options.detector:
            raise ValueError("the free table needs --detector NAME")
        axes = dict(map(parse_axis, options.set))
        rows = grid(Run(options.detector, shown=Draw(options.anomalies)), axes)
    else:
        rows = TABLES[options.table].rows(options.data)
    everywhere: dict[str, Any] = {"preset": options.preset, "threads": options.threads}
    if options.backbone:
        everywhere["backbone"] = options.backbone
    if options.weights:
        everywhere["weights"] = options.weights
    shown = dict.fromkeys(row.run.shown for row in rows if row.run.shown.count)
    return [replace(r, run=replace(r.run, apart=tuple(shown), **everywhere)) for r in rows]


def parse_axis(text: str) -> tuple[str, tuple[Any, ...]]:
    """Read `name=value,value`; values are JSON where they are, such as `strides=[8],[8,16]`."""
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise ValueError(f"--set {text}: expected NAME=VALUE or NAME=VALUE,VALUE")
    try:
        parsed = json.loads(f"[{values}]")
    except ValueError:
        parsed = values.split(",")
    return name, tuple(tuple(value) if isinstance(value, list) else value for value in parsed)


def table(name: str, compared: Comparison, data: str) -> str:
    """The table as markdown, with what it rests on and which runs are missing."""
    what = "a free grid" if name == FREE else TABLES[name].what
    run = compared.rows[0].run
    seeds = ", ".join(map(str, compared.seeds))
    facts = [
        f"## {name}: {what}",
        f"{short_name(data)}, preset {run.preset}, {run.threads} thread(s), seeds {seeds}; "
        f"mean ± standard deviation; last epoch; {machine()}",
        _figures(compared, data),
    ]
    missing = compared.missing(data)
    if missing:
        facts += ["Runs still missing:", "\n".join(f"- {line}" for line in missing)]
    return "\n\n".join(facts)


def _figures(compared: Comparison, data: str) -> str:
    kinds = kinds_of(data)
    shows_kinds = any(row.run.shown.kinds for row in compared.rows)
    head = ["", "image AUROC", *(kinds if len(kinds) > 1 else [])]
    if shows_kinds:
        head += ["seen kinds", "unseen kinds", "unseen kinds, shown none"]
    lines = []
    for row in compared.rows:
        choices = [None, *([[kind] for kind in kinds] if len(kinds) > 1 else [])]
        cells = [_words(compared, row, data, choice) for choice in choices]
        if shows_kinds:
            cells += _seen_and_unseen(compared, row, data, kinds)
        for figure, digits in (("pixel_auroc", 3), ("aupro", 3), ("fit_seconds", 0)):
            by_seed = compared.reported(row, data, figure)
            cells.append(in_words(by_seed, len(compared.seeds), digits))
        lines.append([row.label, *cells])
    return markdown([*head, "pixel AUROC", "AUPRO", "fit, s"], lines)


def _seen_and_unseen(compared: Comparison, row: Row, data: str, kinds: Sequence[str]) -> list[str]:
    """The kinds this row was shown, the others, and the others for the row that is shown none."""
    seen = row.run.shown.kinds
    if not seen:
        return [NONE, NONE, NONE]
    unseen = [kind for kind in kinds if kind not in seen]
    plain = next(row for row in compared.rows if not row.run.shown.count)
    return [
        _words(compared, row, data, seen),
        _words(compared, row, data, unseen),
        _words(compared, plain, data, unseen),
    ]


def _words(compared: Comparison, row: Row, data: str, kinds: Sequence[str] | None) -> str:
    return in_words(compared.aurocs(row, data, kinds), len(compared.seeds))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    listed = "\n".join(f"  {name:18} {each.what}" for name, each in TABLES.items())
    parser = argparse.ArgumentParser(
        "python -m bench ablation",
        description=__doc__,
        epilog=f"tables:\n{listed}\n  {FREE:18} any detector and settings",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("table", choices=[*TABLES, FREE], metavar="TABLE", help="see below")
    add("data", metavar="DATA", help="as `linewatch train` takes it")
    add("--seeds", nargs="+", type=int, default=(0, 1, 2))
    add("--detector", help="of the free table")
    add("--set", action="append", default=[], metavar="NAME=VALUE,VALUE", help="free: an axis")
    add("--anomalies", type=int, default=0, metavar="K", help="free: shown to every row")
    add("--preset", default="fast", choices=["fast", "paper"])
    add("--backbone", help="instead of the preset's, in every row")
    add("--weights", help="file or folder of backbone weights")
    add("--threads", type=int, default=2)
    add("--summary", action="store_true", help="only write the table from the runs there are")
    add("--launcher", default="", help="command put before each run's: nice -n 5")
    add("--out", type=Path, help="file to write; ablation-TABLE-DATA.md here otherwise")
    return parser.parse_args(arguments)
