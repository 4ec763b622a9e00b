"""Two models on the same defective parts: does the candidate let more escape than the champion?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from models.statistics.incomplete_beta import solve_rising
from models.statistics.intervals import Interval, normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PairedEscapes:
    """Escapes of a candidate and a champion on the same defective parts."""

    #: How many defective parts both have judged.
    parts: int
    #: How many both let pass.
    both: int
    #: How many the candidate alone lets pass.
    candidate_only: int
    #: How many the champion alone lets pass.
    champion_only: int
    #: The chance of so many or more of `candidate_only` if both let pass equally many; small means
    #: that the candidate is worse.
    p_value: float
    #: The candidate's escape rate minus the champion's.
    difference: float
    #: Tango's interval of the difference.
    interval: Interval


def compare_escapes(
    candidate_escapes: NDArray[np.bool_],
    champion_escapes: NDArray[np.bool_],
    *,
    mid_p: bool = False,
    confidence: float = 0.95,
) -> PairedEscapes:
    """Test, one-sided, whether the candidate lets more defective parts pass than the champion.

    Only parts on which they differ count: of n such, the candidate's are Binomial(n, 1/2) if both
    are equally good. A large p value proves nothing with few parts: four that differ cannot give
    one below 1/16 (mid-P: 1/32). The interval says what may still be hidden.

    Args:
        candidate_escapes: (n,) whether the candidate lets the part pass.
        champion_escapes: (n,) the same of the champion, in the same order.
        mid_p: count what was seen by half; less cautious, and closer to the level on average.
        confidence: of the interval of the difference, between 0 and 1.

    Raises:
        ValueError: if the arrays are empty, not bool, not (n,), or of two lengths.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 1947; Fagerland, Lydersen and Laake, "The McNemar test for binary
    matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Medical
    Research Methodology 2013.
    """
    candidate, champion = np.asarray(candidate_escapes), np.asarray(champion_escapes)
    if candidate.shape != champion.shape or candidate.ndim != 1 or not candidate.size:
        raise ValueError(
            f"the escapes have shapes {candidate.shape} and {champion.shape}: "
            "both must be (n,), of the same parts, at least one"
        )
    if candidate.dtype != np.bool_ or champion.dtype != np.bool_:
        raise ValueError(
            f"the escapes are {candidate.dtype} and {champion.dtype}: both must be bool"
        )
    worse = int(np.count_nonzero(candidate & ~champion))
    better = int(np.count_nonzero(champion & ~candidate))
    return PairedEscapes(
        parts=candidate.size,
        both=int(np.count_nonzero(candidate & champion)),
        candidate_only=worse,
        champion_only=better,
        p_value=mcnemar_p_value(worse, better, mid_p=mid_p),
        difference=(worse - better) / candidate.size,
        interval=tango_interval(worse, better, candidate.size, confidence),
    )


def mcnemar_p_value(worse: int, better: int, *, mid_p: bool = False) -> float:
    """P(X >= worse) for X ~ Binomial(worse + better, 1/2), exact; with `mid_p` half of P(X = worse)
    less.

    Raises:
        ValueError: if a count is negative.
    """
    if worse < 0 or better < 0:
        raise ValueError(f"the counts are {worse} and {better}: neither may be negative")
    n = worse + better
    ways = sum(math.comb(n, k) for k in range(worse, n + 1))
    p_value = Fraction(ways, 2**n)
    if mid_p:
        p_value -= Fraction(math.comb(n, worse), 2 ** (n + 1))
    return float(p_value)


def tango_interval(worse: int, better: int, parts: int, confidence: float = 0.95) -> Interval:
    """The score interval of (worse - better) / parts, the difference of two paired shares.

    Args:
        worse: parts with the first property alone.
        better: parts with the second alone.
        parts: all parts.
        confidence: between 0 and 1.

    Raises:
        ValueError: if the counts do not fit in `parts`, or the confidence is not as said.

    Source: Tango, "Equivalence test and confidence interval for the difference in proportions for
    the paired-sample design", Statistics in Medicine 1998.
    """
    if worse < 0 or better < 0 or worse + better > parts or parts < 1:
        raise ValueError(f"{worse} and {better} of {parts} parts: they do not fit in")
    z = normal_quantile(confidence)
    difference = (worse - better) / parts

    def score(delta: float) -> float:
        return -_tango_score(worse, better, parts, delta)

    # The score falls as the assumed difference rises, and is 0 at the one seen.
    return Interval(
        solve_rising(score, -z, -1.0, difference), solve_rising(score, z, difference, 1.0)
    )


def _tango_score(worse: int, better: int, parts: int, delta: float) -> float:
    """How many standard deviations the difference seen is above `delta`."""
    distance = worse - better - parts * delta
    # The most likely share of `better` given the difference, a root of a quadratic.
    a = 2 * parts
    b = -worse - better + (2 * parts - worse + better) * delta
    c = -better * delta * (1 - delta)
    share = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = parts * (2 * share + delta * (1 - delta))
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)
