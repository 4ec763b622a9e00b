"""The section of bench/RESULTS.md and the plots, from whatever results are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.loop.about_audit import audit_part
from bench.loop.about_harm import gate_part, harm_part
from bench.loop.about_promotion import promotion_part
from bench.loop.about_rounds import rounds_part
from bench.loop.kept import name_of
from bench.loop.outcome import Run
from bench.loop.plan import ROUNDS
from bench.results import write_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.loop.kept import Kept
    from bench.loop.plan import Plan

#: The README shows the plots.
DOCS = Path(__file__).parents[2] / "docs"
INTRODUCTION = (
    "Operators confirm, the few-shot set grows, BGAD retrains: the whole system (embedded Valkey, "
    "SQLite, image store, scoring worker, trainer and schedule as processes), without a person. "
    "What is known of each part answers in the review queues, draws the masks of magnetic_tile, "
    "and accepts the proposed ones of elpv, which has none. An engineer asks for a training after "
    "so many confirmed defects, and promotes whatever gate and shadow let through. All figures are "
    "of parts that were never streamed or reviewed: pictures are divided by part, near-duplicates "
    "being one part, by a hash of its name, before anything else. The threshold for 1 % false "
    "rejects comes from good parts of the evaluation's own, by the bound of `models.calibration`. "
    "One thing was changed after a look at these very parts: in a first run of the rounds on "
    "magnetic_tile at seed 0, with a gate that compared both at their calibrated thresholds, "
    "versions 2 and 3 went live (image AUROC 0.746 and 0.743) and versions 4 and 5 were refused, "
    "though they were better (0.776 and 0.848); the gate has lowered the candidate's review "
    "threshold since, and all of this was done again. So seed 0 does not confirm that rule; "
    "another seed would. "
    "The wrong answers on elpv-mono were run twice: the first time the parts ran out while the "
    "last candidate was in the shadow, and version 2 stayed (image AUROC 0.946). Intervals are of "
    "95 %, over a thousand draws of the parts, those of the threshold too."
)


def write(kept: Kept, plans: Sequence[Plan], promotion: str) -> None:
    """Write the section and the plots."""
    runs = [Run(plan, found) for plan in plans if (found := kept.find(name_of(plan)))]
    missing = [f"{p.scenario} on {Path(p.data).name}" for p in plans if not kept.find(name_of(p))]
    blocks = [
        *rounds_part([run for run in runs if run.plan.scenario == ROUNDS], DOCS),
        *harm_part(runs),
        *gate_part(runs),
        *audit_part(kept, DOCS),
        *promotion_part(kept.find(promotion)),
    ]
    if missing:
        blocks.append(f"Not measured yet: {', '.join(missing)}.")
    write_section("loop", INTRODUCTION, _settings(runs, plans), "\n\n".join(blocks))


def _settings(runs: Sequence[Run], plans: Sequence[Plan]) -> str:
    plan = plans[0]
    backbones = sorted({v["backbone"] for run in runs for v in run.result["versions"]})
    trained = [r for run in runs for r in run.result["rounds"] if r["seconds"]]
    took = ""
    if trained:
        seconds = [one["seconds"] for one in trained]
        took = f", trainings took {min(seconds):.0f} to {max(seconds):.0f} s beside other work"
    changed = ", ".join(f"{name} {value}" for name, value in plan.settings) or "none changed"
    return (
        f"BGAD, fast preset ({', '.join(backbones) or 'its backbone'}, 256 px; hyper-parameters: "
        f"{changed}), seed {plan.seed}, one scoring worker and one trainer of one thread{took}; "
        f"{plan.defective:.0%} of the streamed parts defective, {plan.audit_rate:.0%} of the PASS "
        f"frames to the blind audit, {plan.shadow_frames} frames in the shadow, "
        f"{plan.false_rejects:.0%} false rejects allowed on the golden set: more than a plant "
        "would, so that forty confirmed defects take hundreds of parts and not thousands"
    )
