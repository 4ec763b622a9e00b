"""Whether the scores are still distributed as they were: histograms, PSI, KS, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from dashboard.markup import score_text
from dashboard.quality import svg
from dashboard.quality.words import percent, plural
from models.statistics.drift import detect_drift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from models.statistics.drift import Drift

WIDTH, HEIGHT = 620, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 30, 34
BINS = 36
#: What lies beyond is drawn at the ends: a few scores far off would squeeze all others.
TAIL = 0.005
#: By custom the index is called moderate from here, and large from `MAX_PSI`.
MODERATE_PSI, MAX_PSI = 0.1, 0.25
#: Scores of each side: without drift, the index of two such samples is about 0.009.
SAMPLE = 2_000
#: 95 % quantile of chi-square with 9 degrees of freedom, for the index over ten bins.
CHI_SQUARE_95 = 16.919


class Reference(StrEnum):
    """What the scores are compared with."""

    FIRST = "First frames of the model"
    BEFORE = "Period before"


@dataclass(frozen=True)
class Scores:
    """Two samples of one model version's scores."""

    reference: NDArray[np.float64]
    present: NDArray[np.float64]
    review_threshold: float
    reject_threshold: float
    #: The version's number.
    model_number: int

    @property
    def drift(self) -> Drift:
        """How far they are from each other."""
        return detect_drift(self.reference, self.present, max_psi=MAX_PSI)


def picture(scores: Scores) -> str:
    """Both distributions on one axis, in percent of their own scores a bar, and the thresholds."""
    both = np.concatenate([scores.reference, scores.present])
    low, high = (float(end) for end in np.quantile(both, [TAIL, 1 - TAIL]))
    # The thresholds belong into the picture where they are not far off.
    reach = max(high - low, 1e-9)
    for threshold in (scores.review_threshold, scores.reject_threshold):
        if low - reach < threshold < high + reach:
            low, high = min(low, threshold), max(high, threshold)
    low, high = low - 0.03 * reach, high + 0.03 * reach
    edges = np.linspace(low, high, BINS + 1)
    heights = [_shares(sample, edges) for sample in (scores.reference, scores.present)]
    marks = svg.ticks(max(float(one.max()) for one in heights), 3)
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(score: float) -> float:
        return LEFT + (right - LEFT) * (score - low) / (high - low)

    def y(share: float) -> float:
        return floor - (floor - TOP) * share / marks[-1]

    parts = []
    digits = 0 if marks[1] >= 0.01 else 1
    for mark in marks:
        parts.append(svg.line(LEFT, y(mark), right, y(mark), "grid"))
        parts.append(svg.text(LEFT - 7, y(mark) + 5, f"{100 * mark:.{digits}f} %"))
    for shares, kind in zip(heights, ("reference", "present"), strict=True):
        corners = [
            (x(float(edge)), y(float(share)))
            for share, pair in zip(shares, pairwise(edges), strict=True)
            for edge in pair
        ]
        closed = [(LEFT, floor), *corners, (right, floor)] if kind == "reference" else corners
        parts.append(svg.path(closed, kind, closed=kind == "reference"))
    for index, (left, end) in enumerate(pairwise(edges)):
        told = (
            f"{score_text(float(left))} to {score_text(float(end))}: reference "
            f"{percent(float(heights[0][index]))} %, now {percent(float(heights[1][index]))} %"
        )
        parts.append(svg.box(x(left), TOP, x(end) - x(left), floor - TOP, "reading", told))
    parts.extend(_thresholds(scores, x, floor, low, high))
    parts.append(svg.line(LEFT, floor, right, floor, "floor"))
    for score, words in svg.ticks_between(low, high, 7):
        parts.append(svg.line(x(score), floor, x(score), floor + 5, "floor"))
        parts.append(svg.text(x(score), floor + 22, words, "middle"))
    return svg.chart(WIDTH, HEIGHT, "Histograms of the scores, reference and now", *parts)


def findings(scores: Scores, reference: Reference) -> str:
    """The verdict in words, and the figures it stands on."""
    drift = scores.drift
    legend = (
        '<p class="lw-legend"><span><i class="reference"></i>Reference: '
        f"{reference.value.lower()}, n = {drift.reference_count:,}</span>"
        f'<span><i class="present"></i>Now, n = {drift.present_count:,}</span></p>'
    )
    title, advice = _verdict(drift)
    kind = "lw-verdict asks" if drift.is_drifting else "lw-verdict"
    parts = [legend, f'<p class="{kind}">{title}</p>', f"<p>{advice}</p>"]
    if drift.psi is not None and drift.ks_statistic is not None and drift.ks_p_value is not None:
        by_chance = CHI_SQUARE_95 * (1 / drift.reference_count + 1 / drift.present_count)
        p_value = "below 0.001" if drift.ks_p_value < 0.001 else f"{drift.ks_p_value:.3f}"
        before, now = (float(np.median(one)) for one in (scores.reference, scores.present))
        parts.append(
            f'<p class="lw-fine">PSI {drift.psi:.3f} (below {by_chance:.3f} in 95 of 100 windows '
            f"without drift). KS distance {drift.ks_statistic:.3f}, p {p_value}. Median score "
            f"{score_text(before)} before, {score_text(now)} now. Model version "
            f"{scores.model_number}; of more than {SAMPLE:,} scores about so many are drawn.</p>"
        )
    return "".join(parts)


def _verdict(drift: Drift) -> tuple[str, str]:
    if drift.psi is None:
        return (
            "Too few scores to tell",
            f"The reference has {plural(drift.reference_count, 'score')} of the active model and "
            f"this period {plural(drift.present_count, 'score')}; each side needs 200. Choose a "
            "longer period, or the other reference.",
        )
    if drift.psi > MAX_PSI:
        return (
            "The scores have drifted",
            "Look at light, lens, part and material first; if the new state is meant to stay, "
            "teach or retrain the model, as its thresholds belong to the old one.",
        )
    if drift.psi > MODERATE_PSI:
        return (
            "The scores have moved a little",
            "Not yet enough to act on. Watch the next shifts, and look for what has changed.",
        )
    return "The scores are stable", "They are distributed as in the reference."


def _shares(sample: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.histogram(np.clip(sample, edges[0], edges[-1]), edges)[0]
    return counts / max(len(sample), 1)


def _thresholds(
    scores: Scores, x: Callable[[float], float], floor: float, low: float, high: float
) -> Iterator[str]:
    """Where REVIEW and REJECT begin; their names on either side, so that they never collide."""
    marks = (("Review", scores.review_threshold), ("Reject", scores.reject_threshold))
    for (name, score), anchor, shift in zip(marks, ("end", "start"), (-6, 6), strict=True):
        if low <= score <= high:
            yield svg.line(x(score), TOP - 18, x(score), floor, f"threshold {name.lower()}")
            place = x(score) + shift
            if anchor == "start" and place > WIDTH - 60:
                continue
            yield svg.text(place, TOP - 8, name, anchor, "name")
