"""Two thresholds from scores of held-out good images, with a bound that holds for few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Verdict: TypeAlias = Literal["PASS", "REVIEW", "REJECT"]


@dataclass(frozen=True)
class Thresholds:
    """Raw image scores at which verdicts begin."""

    #: From here a person looks.
    review: float
    #: From here the part is rejected; not below `review`.
    reject: float

    def verdict(self, score: float) -> Verdict:
        """Judge a raw image score.

        Raises:
            ValueError: if the score is not a number; nothing passes by accident.
        """
        if math.isnan(score):
            raise ValueError("the image score is not a number: the image or the model is damaged")
        if score >= self.reject:
            return "REJECT"
        return "REVIEW" if score >= self.review else "PASS"


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and what they promise on good parts like the held-out ones."""

    #: Where the verdicts begin.
    thresholds: Thresholds
    #: The share of good parts that may at most be flagged, REVIEW or REJECT, on average over
    #: calibrations.
    review_rate: float
    #: The share of good parts that may at most be rejected, likewise.
    reject_rate: float
    #: How many held-out images it rests on.
    count: int


def calibrate(
    scores: Sequence[float] | NDArray[np.floating],
    *,
    review_rate: float = 0.05,
    reject_rate: float = 0.01,
) -> Calibration:
    """Choose thresholds so that good parts are flagged no more often than wanted.

    With n held-out scores, a good part's score is above the k-th smallest of them with probability
    at most (n + 1 - k) / (n + 1), whatever the scores' distribution, ties included. The threshold
    is just above the smallest such score that keeps the wanted rate. Where n is too small for it (n
    + 1 < 1 / rate), it is just above the largest score, and the rate reported is the one that this
    attains, 1 / (n + 1).

    Args:
        scores: image scores of good images that the model was not fitted on, at least one, finite.
        review_rate: wanted share of good parts that are flagged, within 0 to 1.
        reject_rate: wanted share of good parts that are rejected, at most `review_rate`.

    Raises:
        ValueError: if there are no scores, some are not finite, or the rates are not as said.

    Source: split conformal prediction; Angelopoulos and Bates, "A Gentle Introduction to Conformal
    Prediction", 2021.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float32))
    if ordered.ndim != 1 or len(ordered) == 0 or not np.isfinite(ordered).all():
        raise ValueError("expected one or more finite scores of held-out good images")
    if not 0 < reject_rate <= review_rate < 1:
        raise ValueError(
            f"review_rate is {review_rate} and reject_rate {reject_rate}: "
            "expected 0 < reject_rate <= review_rate < 1"
        )
    review, attained_review = _just_above_quantile(ordered, review_rate)
    reject, attained_reject = _just_above_quantile(ordered, reject_rate)
    return Calibration(Thresholds(review, reject), attained_review, attained_reject, len(ordered))


def _just_above_quantile(ordered: NDArray[np.float32], rate: float) -> tuple[float, float]:
    """The threshold for a wanted rate, and the rate it attains."""
    count = len(ordered)
    # The small number: (n + 1) * (1 - rate) that is whole but for rounding must not be rounded up.
    rank = min(count, math.ceil((count + 1) * (1 - rate) - 1e-9))
    rank = max(rank, 1)
    # One step in float32 above: a score equal to a held-out one does not reach it, in either
    # precision.
    threshold = np.nextafter(ordered[rank - 1], np.float32(np.inf))
    return float(threshold), (count + 1 - rank) / (count + 1)
