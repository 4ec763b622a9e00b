"""The section's parts on harm: wrong answers, an unseen kind, and what the gate let through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.comparison import markdown
from bench.loop.measuring import Scored, difference, draws
from bench.loop.outcome import signed
from bench.loop.plan import ROUNDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.loop.outcome import Run


def harm_part(runs: Sequence[Run]) -> list[str]:
    """The last live version against the first, where answers or kinds were amiss."""
    others = [run for run in runs if run.plan.scenario != ROUNDS]
    if not others:
        return []
    lines = []
    for run in others:
        live, answers = run.live[-1], run.result["rounds"][-1]["answers"]
        what = f"{run.title}, {answers['wrong']} of {answers['defect'] + answers['good']} wrong"
        if run.plan.unseen is not None:
            what = f"{run.title}, {run.plan.unseen} never shown"
        lines.append([what, *_against(run, run.tested, live)])
        if run.plan.unseen is not None:
            of_kind = run.of_kind(run.plan.unseen)
            lines.append([f"of it {run.plan.unseen} alone", *_against(run, of_kind, live)])
    head = ["", "live at the end", "image AUROC, first", "last", "difference"]
    head += ["escapes, first", "last", "difference", "worse than at the start"]
    return [
        "### Wrong answers, and a kind of defect never shown",
        "The live version at the end against the starting model, on the parts nobody reviewed. A "
        "kind that is never shown is in the golden set, imported at the start, and among what is "
        "measured, but never streamed. Worse means that a whole interval is on the wrong side.",
        markdown(head, lines),
    ]


def _against(run: Run, tested: Callable[[int], Scored], live: int) -> list[str]:
    first, last = tested(1), tested(live)
    drawn = run.draws if len(last.defect) == len(run.result["kinds"]) else _of_kind(run)
    found = difference(last, first, drawn)
    return [
        str(live),
        f"{first.auroc:.3f}",
        f"{last.auroc:.3f}",
        signed(found.auroc, found.auroc_interval),
        f"{first.escape_rate:.1%}",
        f"{last.escape_rate:.1%}",
        signed(found.escape_rate, found.escape_interval, percent=True),
        "**yes**" if found.is_worse else "no",
    ]


def _of_kind(run: Run) -> list[dict[str, Any]]:
    kinds, parts = run.result["kinds"], run.result["parts"]
    chosen = [p for p, kind in zip(parts["defect"], kinds, strict=True) if kind == run.plan.unseen]
    return draws(parts | {"defect": chosen})


def gate_part(runs: Sequence[Run]) -> list[str]:
    """Every candidate, and whether the golden set agrees with what became of it."""
    lines, worse_live, candidates, promoted = [], 0, 0, 0
    for run in runs:
        gates = {one["number"]: one["gate"] or {} for one in run.result["versions"]}
        for check in run.result["golden"]:
            number = check["number"]
            went_live = number in run.result["went_live"][1:]
            candidates += 1
            promoted += went_live
            worse_live += went_live and check["escapes"] > check["champion_escapes"]
            found = difference(run.tested(number), run.tested(check["champion"]), run.draws)
            gate = gates[number]
            counts = [gate[who]["escapes"]["count"] for who in ("candidate", "champion")]
            again = [check["escapes"], check["champion_escapes"]]
            lines.append(
                [
                    f"{run.title}, {run.plan.scenario}, {number} against {check['champion']}",
                    f"{counts[0]} and {counts[1]} of {check['defects']}",
                    "the same" if counts == again else f"{again[0]} and {again[1]}",
                    "promoted" if went_live else "; ".join(gate["reasons"]) or "not promoted",
                    signed(found.auroc, found.auroc_interval),
                ]
            )
    if not lines:
        return []
    head = ["candidate against champion", "golden escapes", "counted anew", "what became of it"]
    return [
        "### The gate",
        f"{candidates} candidates, {promoted} of them promoted; versions that went live with more "
        f"golden escapes than the one before: {worse_live}. Counted anew: both scored the golden "
        "frames of the candidate's snapshot again, apart from the gate. The last column is of the "
        "parts nobody reviewed, which the gate does not know.",
        markdown([*head, "image AUROC, difference"], lines),
    ]
