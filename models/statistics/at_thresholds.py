"""What other thresholds would have done, from parts that people have judged.

A judged part stands for as many parts as it was drawn from: a flagged one for about itself, one of
the audit sample for one over the probability it was drawn with. The rates are ratios of such sums
(Horvitz and Thompson); for their intervals each sum is taken for a Poisson count of its mean
weight, as `escape_rate` does and explains. Where no judged part is beyond a threshold, its weight
is the one that parts spread evenly there would have.

Source: as `models.statistics.escape_rate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.statistics.escape_rate import Estimate
from models.statistics.intervals import Interval, check_confidence, mid_p_interval, wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How many evenly spread parts count in the mean weight of the few that were found: as in
# `escape_rate`, where it was measured.
_EVEN_PARTS = 4.0


@dataclass(frozen=True)
class JudgedScores:
    """Parts with a person's word, in any order."""

    #: (n,) raw image scores.
    scores: NDArray[np.float64]
    #: (n,) how many parts each stands for, > 0.
    weights: NDArray[np.float64]
    #: (n,) whether it is defective.
    is_defective: NDArray[np.bool_]
    #: (n,) whether it was drawn from the parts that passed.
    is_audited: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        shapes = {
            np.shape(one) for one in (self.scores, self.weights, self.is_defective, self.is_audited)
        }
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"the arrays have shapes {sorted(shapes)}: all must be (n,)")
        if not (np.asarray(self.weights) > 0).all():
            raise ValueError("a weight is not above 0: a judged part stands at least for itself")


@dataclass(frozen=True)
class RatesAt:
    """What two thresholds would do on this line."""

    #: Good parts rejected / all good parts.
    false_reject_rate: Estimate
    #: Defective parts passed / all defective parts.
    escape_rate: Estimate
    #: Parts that a person must look at / all parts.
    review_share: Estimate
    #: Parts rejected / all parts.
    reject_share: Estimate


def estimate_at(
    judged: JudgedScores,
    recent: NDArray[np.float64],
    review: float,
    reject: float,
    *,
    confidence: float = 0.95,
) -> RatesAt:
    """Estimate what a line's rates would be with these thresholds.

    Args:
        judged: parts people have judged.
        recent: (m,) the newest scores of all parts, judged or not.
        review: raw image score from which a person looks.
        reject: that from which a part is rejected; at least `review`.
        confidence: of the intervals, between 0 and 1.

    Returns:
        The rates. The first two are unknown, their value None, until audited parts are among the
        judged: only those tell of the parts that passed.

    Raises:
        ValueError: if the thresholds are not in order, or `confidence` is not as said.
    """
    check_confidence(confidence)
    if not review <= reject:
        raise ValueError(f"review {review} is above reject {reject}: it must be at most that")
    scores, is_good = np.asarray(judged.scores), ~np.asarray(judged.is_defective, dtype=bool)
    return RatesAt(
        false_reject_rate=_rate(judged, scores >= reject, is_good, confidence),
        escape_rate=_rate(judged, scores < review, ~is_good, confidence),
        review_share=_share((recent >= review) & (recent < reject), confidence),
        reject_share=_share(recent >= reject, confidence),
    )


def _rate(
    judged: JudgedScores,
    is_beyond: NDArray[np.bool_],
    is_kind: NDArray[np.bool_],
    confidence: float,
) -> Estimate:
    """The share of a kind of parts that is beyond a threshold."""
    if not np.any(judged.is_audited):
        return Estimate(None, Interval(0.0, 1.0))
    part, part_weight = _count(judged, is_beyond & is_kind, is_beyond)
    rest, rest_weight = _count(judged, ~is_beyond & is_kind, ~is_beyond)
    of_events = mid_p_interval(part / part_weight, rest / rest_weight, confidence)
    ratio = part_weight / rest_weight
    lower, upper = (
        share * ratio / (1 - share + share * ratio) for share in (of_events.lower, of_events.upper)
    )
    if part + rest == 0:
        return Estimate(None, Interval(lower, upper))
    value = part / (part + rest)
    return Estimate(value, Interval(min(lower, value), max(upper, value)))


def _count(
    judged: JudgedScores, chosen: NDArray[np.bool_], around: NDArray[np.bool_]
) -> tuple[float, float]:
    """How many parts the chosen ones stand for, and the mean weight of one of them.

    The mean is drawn to the one of all judged parts `around` them, which it is without any chosen;
    without those, to the one of all judged parts.
    """
    weights = np.asarray(judged.weights, dtype=np.float64)
    near = weights[around] if np.any(around) else weights
    even = float((near**2).sum() / near.sum())
    found = weights[chosen]
    mean = float((found**2).sum() + _EVEN_PARTS * even**2)
    mean /= float(found.sum() + _EVEN_PARTS * even)
    return float(found.sum()), mean


def _share(is_so: NDArray[np.bool_], confidence: float) -> Estimate:
    if not is_so.size:
        return Estimate(None, Interval(0.0, 1.0))
    count = int(np.count_nonzero(is_so))
    return Estimate(count / is_so.size, wilson_interval(count, is_so.size, confidence))
