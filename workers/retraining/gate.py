"""The gate: what champion and candidate say about the golden set, and whether the candidate passes.

A candidate passes if it lets no more golden defects escape than the champion, its false rejects are
within the line's budget or not above the champion's, and its latency is within the line's budget.
Thresholds come from few held-out goods, so chance lets one model flag more goods than another, and
fewer defects escape for that alone. So where the candidate flags fewer golden goods than the
champion, its review threshold is lowered until it flags as many. Escapes are compared as counts,
not by the paired test: with fewer than five frames on which the two differ the exact test cannot
find anything, so that "not significantly worse" would let a model through that misses four more
defects. The test and its interval are reported for the person who looks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from db.least_samples import Least
from models.metrics import image_auroc
from models.statistics.intervals import clopper_pearson_interval
from models.statistics.paired import compare_escapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_GOOD, MIN_DEFECTS = Least().golden_goods, Least().golden_defects


@dataclass(frozen=True)
class Contender:
    """What one model says about the golden frames."""

    #: Its version's number; None: not registered yet.
    number: int | None
    #: (n,) raw image scores.
    scores: NDArray[np.float32]
    #: From here a person looks.
    review: float
    #: From here a part is rejected.
    reject: float
    #: Milliseconds for a frame, one at a time, decoding left out.
    latency_ms: Sequence[float]

    @property
    def passed(self) -> NDArray[np.bool_]:
        """(n,) whether the frame would pass unseen; a score at a threshold counts as above it."""
        return np.asarray(self.scores < np.float64(self.review))

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """(n,) whether the part would be rejected."""
        return np.asarray(self.scores >= np.float64(self.reject))


@dataclass(frozen=True)
class Budgets:
    """What a line allows."""

    #: Share of good golden parts that a candidate may reject.
    false_rejects: float
    #: Milliseconds it may take for a frame; None: no limit.
    latency_ms: float | None = None


@dataclass(frozen=True)
class GateReport:
    """The outcome; `to_json` is what `model_versions.gate` holds."""

    #: None: nothing to compare with, so that a person has to decide.
    has_passed: bool | None
    #: Why it did not pass, each for people; empty if it did.
    reasons: list[str]
    #: How many golden frames: `good` and `defects`.
    golden: dict[str, int]
    #: Counts, rates and intervals of each: see `_figures`. None: there is none.
    champion: dict[str, Any] | None
    candidate: dict[str, Any] | None
    #: Escapes on the same defects: `PairedEscapes`; None without champion or defects.
    paired: dict[str, Any] | None
    budgets: dict[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """The report as it is stored."""
        return asdict(self)


def compare(
    defects: Sequence[str | None],
    champion: Contender | None,
    candidate: Contender,
    budgets: Budgets,
) -> GateReport:
    """Judge a candidate on the golden set.

    Args:
        defects: of each golden frame the kind of its defect; None for a good part.
        champion: the model that scores now; None: the line has none, and the candidate is held
            against the budgets only.
        candidate: the new model; its review threshold may be lowered, as the report says.
        budgets: what the line allows.
    """
    is_defect = np.array([kind is not None for kind in defects], dtype=bool)
    if champion is not None:
        candidate = _flagging_as_much(candidate, champion, is_defect)
    good, bad = int(np.count_nonzero(~is_defect)), int(np.count_nonzero(is_defect))
    ours = _figures(defects, is_defect, candidate)
    theirs = _figures(defects, is_defect, champion) if champion else None
    paired = None
    if champion and bad:
        paired = asdict(compare_escapes(candidate.passed[is_defect], champion.passed[is_defect]))
    has_passed: bool | None
    reasons = _too_small(good, bad, has_champion=champion is not None)
    if reasons:
        # A line without a model gains by any: a person may decide without the gate.
        has_passed = None if champion is None else False
    else:
        reasons = _shortcomings(ours, theirs, budgets)
        has_passed = not reasons
    return GateReport(
        has_passed=has_passed,
        reasons=reasons,
        golden={"good": good, "defects": bad},
        champion=theirs,
        candidate=ours,
        paired=paired,
        budgets={"false_reject": budgets.false_rejects, "latency_ms": budgets.latency_ms},
    )


def not_compared(reason: str, budgets: Budgets) -> GateReport:
    """The report on a candidate that could not be compared, for a reason that is not its fault."""
    return GateReport(
        has_passed=None,
        reasons=[reason],
        golden={"good": 0, "defects": 0},
        champion=None,
        candidate=None,
        paired=None,
        budgets={"false_reject": budgets.false_rejects, "latency_ms": budgets.latency_ms},
    )


def _flagging_as_much(
    candidate: Contender, champion: Contender, is_defect: NDArray[np.bool_]
) -> Contender:
    """The candidate at the lowest review threshold at which it flags no more golden goods.

    Only lower than its own: one that flags more than the champion stays as it is.
    """
    goods = np.sort(candidate.scores[~is_defect])
    allowed = int(np.count_nonzero(~champion.passed & ~is_defect))
    if allowed >= len(goods):
        return candidate
    # Just above the best good that must not be flagged, in float32 as scores are.
    lowest = float(np.nextafter(np.float32(goods[-1 - allowed]), np.float32(np.inf)))
    return replace(candidate, review=min(candidate.review, lowest))


def _figures(
    defects: Sequence[str | None], is_defect: NDArray[np.bool_], one: Contender
) -> dict[str, Any]:
    """A contender's counts as shares of what they count: {count, of, rate, lower, upper}."""
    kinds = sorted({kind for kind in defects if kind is not None})
    of_kind = {kind: np.array([each == kind for each in defects], dtype=bool) for kind in kinds}
    return {
        "number": one.number,
        "thresholds": {"review": one.review, "reject": one.reject},
        "escapes": _share(one.passed, is_defect),
        "rejected_defects": _share(one.rejected, is_defect),
        "false_rejects": _share(one.rejected, ~is_defect),
        "flagged_good": _share(~one.passed, ~is_defect),
        "classes": {
            kind: {
                "frames": int(np.count_nonzero(chosen)),
                "detected": int(np.count_nonzero(~one.passed & chosen)),
                "escapes": _share(one.passed, chosen),
            }
            for kind, chosen in of_kind.items()
        },
        "image_auroc": image_auroc(one.scores, is_defect) if len(defects) else None,
        "latency_ms_p50": float(np.median(one.latency_ms)) if len(one.latency_ms) else None,
    }


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, Any]:
    """How many of those are hits, with the exact interval of the rate at 95 %."""
    count, of = int(np.count_nonzero(hits & among)), int(np.count_nonzero(among))
    if of == 0:
        return {"count": 0, "of": 0, "rate": None, "lower": None, "upper": None}
    interval = clopper_pearson_interval(count, of)
    rate = count / of
    return {
        "count": count,
        "of": of,
        "rate": rate,
        "lower": interval.lower,
        "upper": interval.upper,
    }


def _too_small(good: int, bad: int, *, has_champion: bool) -> list[str]:
    """Why the golden set says nothing. A line's first model needs no golden defects."""
    reasons = []
    if good < MIN_GOOD:
        reasons.append(
            f"the golden set has {good} good parts, {MIN_GOOD} are needed: review more frames"
        )
    if has_champion and bad < MIN_DEFECTS:
        reasons.append(
            f"the golden set has {bad} defects, {MIN_DEFECTS} are needed: confirm more defects"
        )
    return reasons


def _shortcomings(
    ours: dict[str, Any], theirs: dict[str, Any] | None, budgets: Budgets
) -> list[str]:
    reasons = []
    if theirs and ours["escapes"]["count"] > theirs["escapes"]["count"]:
        reasons.append(
            f"{ours['escapes']['count']} of {ours['escapes']['of']} golden defects escape it, "
            f"{theirs['escapes']['count']} escape version {theirs['number']}"
        )
    rate = ours["false_rejects"]["rate"]
    allowed = max(budgets.false_rejects, theirs["false_rejects"]["rate"] if theirs else 0.0)
    if rate > allowed:
        reasons.append(
            f"it rejects {ours['false_rejects']['count']} of {ours['false_rejects']['of']} good "
            f"golden parts, {rate:.1%}, and {allowed:.1%} are allowed"
        )
    latency = ours["latency_ms_p50"]
    if budgets.latency_ms is not None and latency is not None and latency > budgets.latency_ms:
        reasons.append(
            f"it takes {latency:.1f} ms for a frame, and {budgets.latency_ms:g} ms are allowed"
        )
    return reasons
