"""The numbers of the page that are not among the figures: intervals, bins, curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Two-sided 95 % of the normal distribution.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A share of images that were counted."""

    #: How many have the property.
    count: int
    #: Out of so many.
    total: int

    @property
    def share(self) -> float | None:
        """0 to 1; None if there are none to count."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of the share; None if there are none to count.

        Unlike the simple one it stays within 0 to 1 and says something when nothing was found: 0 of
        30 escapes may still be 11 %.

        Source: Wilson, "Probable inference, the law of succession, and statistical inference",
        Journal of the American Statistical Association, 1927.
        """
        if not self.total:
            return None
        share, spread = self.count / self.total, Z_95**2 / self.total
        middle = (share + spread / 2) / (1 + spread)
        half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
        # The ends are exact there; rounding would leave -1e-18.
        low = 0.0 if self.count == 0 else middle - half
        high = 1.0 if self.count == self.total else middle + half
        return low, high


def round_step(span: float, parts: int) -> float:
    """The smallest of 1, 2, 5, 10 ... (at any power of ten) of which `parts` cover `span`."""
    if not span > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / parts))
    return next(f * power for f in (1, 2, 5, 10, 20) if f * power * parts >= span * (1 - 1e-9))


def bin_edges(values: NDArray[np.floating], *, bins: int = 40) -> NDArray[np.float64]:
    """Round edges of equal bins, at most about `bins`, that cover all values.

    A bin holds its lower edge and not its upper one; the last edge lies above the largest value.
    """
    low, high = float(values.min()), float(values.max())
    step = round_step(high - low, bins) if high > low else round_step(abs(low), 10)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    edges: NDArray[np.float64] = np.arange(first, last + 1) * np.float64(step)
    return edges


def roc_points(
    scores: NDArray[np.floating], is_anomalous: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The ROC curve, one point for each score that occurs, from (0, 0) to (1, 1).

    Args:
        scores: (B,) image scores.
        is_anomalous: (B,), both kinds among them.

    Returns:
        (points, 2): share of the good images flagged, share of the defective ones flagged.
    """
    order = np.argsort(-scores, kind="stable")
    # A threshold takes all images of one score or none: only the last of each is a point.
    is_last = np.append(np.diff(scores[order]) != 0, True)
    defective = np.cumsum(is_anomalous[order])[is_last] / is_anomalous.sum()
    good = np.cumsum(~is_anomalous[order])[is_last] / (~is_anomalous).sum()
    return np.vstack([(0.0, 0.0), np.column_stack([good, defective])])
