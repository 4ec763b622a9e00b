"""The section's part on the rounds, with their plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.comparison import NONE, markdown
from bench.loop import plots
from bench.loop.outcome import signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bench.loop.outcome import Run


def rounds_part(runs: Sequence[Run], docs: Path) -> list[str]:
    """Figures after each round; the plot goes into `docs`."""
    if not runs:
        return []
    blocks = ["### Rounds", "![Figures against confirmed defects](../docs/loop.svg)"]
    for run in runs:
        counts = run.result["counts"]
        tested = run.tested(1)
        blocks.append(
            f"{run.title}: taught from {counts['taught']} good frames; {counts['golden good']} "
            f"good and {counts['golden defect']} defective golden parts imported at the start; "
            f"measured on {len(tested.good)} good and {len(tested.defect)} defective frames, the "
            f"threshold from {len(tested.calibration)} good ones"
            + (f"; {counts['left_out']} frames left out" if counts.get("left_out") else "")
            + "."
        )
        head = ["confirmed", "parts shown", "learned from", "the round's candidate", "live"]
        head += ["image AUROC", "escapes at 1 % false rejects", "false rejects then"]
        head += ["escapes at its own thresholds", "good parts flagged then"]
        blocks.append(markdown(head, _round_lines(run)))
        last = run.against_start(run.live[-1])
        blocks.append(
            f"Last against first: image AUROC {signed(last.auroc, last.auroc_interval)}, escapes "
            f"{signed(last.escape_rate, last.escape_interval, percent=True)}."
        )
    _plot_rounds(runs, docs)
    return blocks


def _round_lines(run: Run) -> Iterable[list[str]]:
    rounds = [None, *run.result["rounds"]]
    for which, number in enumerate(run.live):
        one = rounds[which]
        tested = run.tested(number)
        auroc, escapes = run.intervals(number)
        learned = NONE if one is None else str(one["snapshot"].get("anomaly defect", 0))
        yield [
            str(run.confirmed[which]),
            "0" if one is None else str(one["shown"]),
            learned,
            "the starting model" if one is None else _outcome(one),
            str(number),
            f"{tested.auroc:.3f} ({auroc.lower:.3f} to {auroc.upper:.3f})",
            f"{tested.escape_rate:.1%} ({escapes.lower:.1%} to {escapes.upper:.1%})",
            f"{tested.false_rejects:.1%}",
            *(f"{share:.1%}" for share in _at_own_thresholds(run, number)),
        ]


def _at_own_thresholds(run: Run, number: int) -> tuple[float, float]:
    """Shares of the tested defects that pass unseen, and of the tested goods that are flagged."""
    version = next(one for one in run.result["versions"] if one["number"] == number)
    tested, review = run.tested(number), np.float64(version["review"])
    return float((tested.defect < review).mean()), float((tested.good >= review).mean())


def _outcome(one: dict[str, Any]) -> str:
    if one["made"] is None:
        return f"none: {one['message']}"
    if one["promotion"] == "promoted":
        return f"{one['made']}, promoted"
    return f"{one['made']}, not promoted: {one['message'].partition(': ')[2] or one['promotion']}"


def _plot_rounds(runs: Sequence[Run], docs: Path) -> None:
    auroc: dict[str, list[plots.Point]] = {}
    escapes: dict[str, list[plots.Point]] = {}
    for run in runs:
        for number, confirmed in zip(run.live, run.confirmed, strict=True):
            tested = run.tested(number)
            of_auroc, of_escapes = run.intervals(number)
            auroc.setdefault(run.title, []).append((confirmed, tested.auroc, of_auroc))
            escapes.setdefault(run.title, []).append((confirmed, tested.escape_rate, of_escapes))
    lowest = min(i.lower for points in auroc.values() for *_, i in points)
    panels = [
        ("Defects that escape at 1 % false rejects", (0.0, 1.0), escapes),
        ("Image AUROC", (np.floor(lowest * 10) / 10, 1.0), auroc),
    ]
    plots.rounds_plot(docs / "loop.svg", panels)
