"""Intervals for a share: exact, mid-P and Wilson."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from models.statistics.incomplete_beta import incomplete_beta, solve_rising


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval."""

    #: Its lower end.
    lower: float
    #: Its upper end, not below `lower`.
    upper: float

    def __contains__(self, value: float) -> bool:
        """Whether the value lies within, ends included."""
        return self.lower <= value <= self.upper


def normal_quantile(confidence: float) -> float:
    """How many standard deviations a two-sided interval of this confidence reaches; 1.96 for 0.95.

    Raises:
        ValueError: if `confidence` is not between 0 and 1.
    """
    return NormalDist().inv_cdf((1 + check_confidence(confidence)) / 2)


def clopper_pearson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The exact interval: covers at least as often as said, mostly more often (2 to 5 points more
    for few successes).

    Lower end: P(X >= successes) is half the error, upper end: P(X <= successes) is.

    Args:
        successes: 0 to `trials`.
        trials: at least 1.
        confidence: between 0 and 1.

    Raises:
        ValueError: if the counts or the confidence are not as said.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case
    of the binomial", Biometrika 1934.
    """
    _check_counts(successes, trials)
    tail = (1 - check_confidence(confidence)) / 2
    lower, upper = 0.0, 1.0
    if successes > 0:
        lower = beta_quantile(successes, trials - successes + 1, tail)
    if successes < trials:
        # From the other end, so that a bound close to 1 keeps its digits.
        upper = 1 - beta_quantile(trials - successes, successes + 1, tail)
    return Interval(lower, upper)


def wilson_interval(successes: float, trials: float, confidence: float = 0.95) -> Interval:
    """The score interval: covers as often as said on average, in closed form.

    Args:
        successes: 0 to `trials`; need not be whole.
        trials: above 0.
        confidence: between 0 and 1.

    Raises:
        ValueError: if the counts or the confidence are not as said.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA
    1927; recommended by Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion",
    Statistical Science 2001.
    """
    _check_counts(successes, trials)
    z = normal_quantile(confidence)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials)
    half *= math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # At the ends the formula gives 0 and 1 but for rounding.
    lower = 0.0 if successes == 0 else max(0.0, centre - half)
    upper = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(lower, upper)


def mid_p_interval(successes: float, failures: float, confidence: float = 0.95) -> Interval:
    """The exact interval with half the chance of what was seen: covers as often as said on average.

    Lower end: P(X > successes) + P(X = successes) / 2 is half the error; upper end likewise. Both
    come from C(x) = (I_x(s, f + 1) + I_x(s + 1, f)) / 2, which has a meaning for counts that are
    not whole, such as the effective counts of a weighted sample.

    Args:
        successes: at least 0.
        failures: at least 0.
        confidence: between 0 and 1.

    Returns:
        The interval of the share of successes; 0 to 1 if nothing was counted.

    Raises:
        ValueError: if the counts or the confidence are not as said.

    Source: Berry and Armitage, "Mid-P confidence intervals: a brief review", The Statistician 1995.
    """
    if not (0 <= successes < math.inf and 0 <= failures < math.inf):
        raise ValueError(f"{successes} successes and {failures} failures: both must be at least 0")
    tail = (1 - check_confidence(confidence)) / 2
    if failures < successes:
        # Searched from the end that is nearer to zero, for the digits.
        other = mid_p_interval(failures, successes, confidence)
        return Interval(1 - other.upper, 1 - other.lower)

    def belief(share: float) -> float:
        below = incomplete_beta(successes, failures + 1, share)
        return (below + incomplete_beta(successes + 1, failures, share)) / 2

    lower = 0.0 if successes == 0 else solve_rising(belief, tail)
    upper = 1.0 if failures == 0 else solve_rising(belief, 1 - tail)
    return Interval(lower, upper)


def beta_quantile(a: float, b: float, probability: float) -> float:
    """The x with I_x(a, b) = `probability`.

    Raises:
        ValueError: if `probability` is not within 0 to 1, or a or b is not above 0.
    """
    if not (a > 0 and b > 0 and 0 <= probability <= 1):
        raise ValueError(
            f"a is {a}, b {b}, the probability {probability}: "
            "expected a, b > 0 and a probability within 0 to 1"
        )
    if probability in (0, 1):
        return float(probability)
    return solve_rising(lambda x: incomplete_beta(a, b, x), probability)


def check_confidence(confidence: float) -> float:
    """Give the confidence back, or refuse it.

    Raises:
        ValueError: if it is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: expected a number between 0 and 1")
    return confidence


def _check_counts(successes: float, trials: float) -> None:
    if not (0 <= successes <= trials and 0 < trials < math.inf):
        raise ValueError(
            f"{successes} successes in {trials} trials: expected at least one trial, and no more "
            "successes than trials"
        )
