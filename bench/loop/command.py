"""`python -m bench loop`: which parts are done, and in which order."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.development import SETS
from bench.loop import audit, promotion, rounds, summary
from bench.loop.kept import Kept, name_of
from bench.loop.measuring import parts_of, score_tested
from bench.loop.parts import divide, find_parts
from bench.loop.plan import ROUNDS, UNSEEN_CLASS, WRONG_ANSWERS, Plan
from bench.loop.quick import quick_plan
from models.datasets import open_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.loop.parts import Part, Roles
    from models.datasets import Dataset

PARTS = (ROUNDS, WRONG_ANSWERS, UNSEEN_CLASS, "audit", "promotion")
DEFAULT_SETS = ("magnetic_tile", "elpv-mono")
#: Confirmed defects of the scenarios that look at harm, not at the way there.
FEWER_ROUNDS = (10, 40)
WRONG = 0.1


def run(arguments: Sequence[str], kept: Kept | None = None) -> int:
    """Do what is asked for and has no result yet; then write the section and the plots."""
    options = _parse(arguments)
    kept = kept or Kept()
    changes = quick_plan(kept.folder) if options.quick else {}
    plans = [plan for name in options.sets for plan in _plans(name, options, changes)]
    if not options.summary:
        # The rounds of all sets first: a run that is interrupted has those.
        for plan in sorted(plans, key=lambda plan: PARTS.index(plan.scenario)):
            if plan.scenario in options.only and (options.anew or not kept.find(name_of(plan))):
                kept.put(name_of(plan), _do(plan, kept))
        weeks = (20,) if options.quick else audit.WEEKS
        if "audit" in options.only:
            audit.do(kept, weeks, _teller("audit"))
        if "promotion" in options.only:
            name = promotion.name_of(quick=options.quick, seed=options.seed)
            if options.anew or not kept.find(name):
                told = _teller("promotion")
                kept.put(name, promotion.do(quick=options.quick, seed=options.seed, tell=told))
    if not options.quick:
        summary.write(kept, plans, promotion.name_of(quick=False, seed=options.seed))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench loop", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="which parts")
    parser.add_argument(
        "--sets", nargs="+", default=DEFAULT_SETS, help=f"of {', '.join(SETS)}, or image folders"
    )
    parser.add_argument("--rounds", nargs="+", type=int, help="confirmed defects of each round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--anew", action="store_true", help="do parts again that were done, as after a change"
    )
    parser.add_argument("--summary", action="store_true", help="only write section and plots")
    parser.add_argument(
        "--quick", action="store_true", help="a tiny run, whose figures mean nothing"
    )
    return parser.parse_args(arguments)


def _plans(name: str, options: argparse.Namespace, changes: dict[str, Any]) -> list[Plan]:
    """The plans of a set that apply to it, in the order of doing."""
    whole = Plan(name, seed=options.seed, **changes)
    if options.rounds:
        whole = replace(whole, rounds=tuple(options.rounds))
    fewer = whole if options.rounds or options.quick else replace(whole, rounds=FEWER_ROUNDS)
    plans = [whole, replace(fewer, scenario=WRONG_ANSWERS, wrong=WRONG)]
    most = most_frequent_kind(name)
    if most is not None:
        plans.append(replace(fewer, scenario=UNSEEN_CLASS, unseen=most))
    return plans


@cache
def most_frequent_kind(name: str) -> str | None:
    """The kind of defect of most pictures; None where there is only one."""
    kinds = Counter(s.defect for s in _open(name).test if s.is_anomalous)
    return kinds.most_common(1)[0][0] if len(kinds) > 1 else None


@cache
def roles_of(plan: Plan) -> Roles:
    """The roles of a set's parts; looking at every picture takes seconds."""
    return divide(_parts(plan.data), plan)


@cache
def _parts(name: str) -> list[Part]:
    return find_parts(_open(name))


def _open(name: str) -> Dataset:
    return open_dataset(SETS.get(name, name))


def _do(plan: Plan, kept: Kept) -> dict[str, Any]:
    tell = _teller(f"{plan.scenario} {Path(plan.data).name}")
    roles = roles_of(plan)
    result = rounds.do_rounds(plan, roles, kept.start(plan), tell)
    scores = {}
    for version in result["versions"]:
        tell(f"scoring {len(roles.tested)} parts never reviewed with version {version['number']}")
        scores[str(version["number"])] = score_tested(version["artifact"], roles, plan.runtime)
    kinds = [f.sample.defect for f in roles.tested if f.sample.is_anomalous]
    counts = {
        "taught": len(roles.taught),
        "golden good": sum(not f.sample.is_anomalous for f in roles.golden),
        "golden defect": sum(f.sample.is_anomalous for f in roles.golden),
        "stream": len(roles.stream),
        "left out": roles.left_out,
    }
    return result | {
        "scores": scores, "parts": parts_of(roles), "kinds": kinds, "counts": counts
    }  # fmt: skip


def _teller(what: str) -> Callable[[str], None]:
    started = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - started:6.0f} s] {what}: {text}", flush=True)

    return tell
