"""The histogram of a version's scores under its thresholds, an SVG picture.

Three layers on one axis: good and defective parts that people judged stand upwards, the newest
parts of all hang downwards. Heights are square roots of counts, each side to its own largest bin,
so that a handful of defects can be seen beside thousands of good parts.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dashboard.markup import score_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 72
WIDTH, UP, DOWN, FOOT = 1200, 190, 90, 34
AXIS_Y = 34 + UP
HEIGHT = AXIS_Y + DOWN + FOOT
#: The theme's colours: a picture knows nothing of the page around it.
STYLE = """
text { font: 600 19px "Source Sans 3", "Source Sans Pro", sans-serif; fill: #12181d }
text.tick { font-size: 17px; font-weight: 400; fill: #46525c }
rect.pass { fill: #eef6f3 } rect.review { fill: #fdf3da } rect.reject { fill: #f9e6dd }
.good { fill: #2f8f7b } .defect { fill: #b83a06 } .recent { fill: #9aa6af }
.axis { stroke: #46525c; stroke-width: 1.5 } .threshold { stroke: #12181d; stroke-width: 2.5 }
"""


@dataclass(frozen=True, slots=True)
class Axis:
    """The range of scores that is shown; what is beyond stands in the outermost bin."""

    low: float
    high: float

    def place(self, score: float) -> float:
        """Where a score stands, in the chart's units."""
        share = (score - self.low) / (self.high - self.low)
        return WIDTH * min(1.0, max(0.0, share))

    def bins(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """(BINS,) how many scores are in each."""
        inside = np.clip(scores, self.low, self.high)
        return np.histogram(inside, BINS, (self.low, self.high))[0]


def axis_of(scores: NDArray[np.float64], thresholds: tuple[float, ...]) -> Axis:
    """A range that holds the thresholds with room, and all but the farthest scores."""
    low, high = min(thresholds), max(thresholds)
    reach = max(high - low, 0.05 * abs(high), 1e-6)
    ends = [low - reach, high + reach]
    if scores.size:
        far_low, middle, far_high = np.quantile(scores, (0.002, 0.5, 0.998))
        ends = [min(low - 0.25 * reach, float(far_low)), max(high + reach, float(far_high))]
        # A few parts far off would push all the others into one bin.
        span = max(high - float(middle), reach)
        ends[1] = min(ends[1], high + 3 * span)
    # Distances begin at 0.
    if low >= 0 and ends[0] < 0.1 * ends[1] and (not scores.size or scores.min() >= 0):
        ends[0] = 0.0
    return Axis(ends[0], ends[1])


def histogram(
    axis: Axis,
    good: NDArray[np.float64],
    defective: NDArray[np.float64],
    recent: NDArray[np.float64],
    *,
    review: float,
    reject: float,
) -> str:
    """The chart as an image element, with what it shows said in words."""
    goods, defects, all_parts = axis.bins(good), axis.bins(defective), axis.bins(recent)
    up = UP / max(1.0, float(np.sqrt(max(goods.max(), defects.max()))))
    down = DOWN / max(1.0, float(np.sqrt(all_parts.max())))
    label = (
        f"{good.size} good and {defective.size} defective parts judged by people, and the newest "
        f"{recent.size} parts; review from {score_text(review)}, reject from {score_text(reject)}"
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}"><style>{STYLE}</style>'
        f"{_zones(axis, review, reject)}{_bars(goods, up, 'good', 0)}"
        f"{_bars(defects, up, 'defect', 1)}{_bars(all_parts, -down, 'recent', 2)}"
        f'<path class="axis" d="M0 {AXIS_Y}H{WIDTH}"/>{_ends(axis)}'
        f"{_threshold(axis, review, 'Review', 'end')}{_threshold(axis, reject, 'Reject', 'start')}"
        "</svg>"
    )
    # As a picture of its own, since Streamlit takes SVG out of a page's HTML.
    uri = f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode('ascii')}"
    return f'<img class="lw-scores" alt="{label}" src="{uri}">'


def legend(good: int, defective: int, recent: int) -> str:
    """What the bars are, and how many parts they stand for."""
    entries = (
        ("good", f"{good:,} judged good"),
        ("defect", f"{defective:,} judged defective"),
        ("recent", f"newest {recent:,} parts"),
    )
    items = "".join(f'<span class="{kind}"><i></i>{text}</span>' for kind, text in entries)
    return f'<div class="lw-key">{items}</div>'


def _bars(counts: NDArray[np.int64], scale: float, kind: str, slot: int) -> str:
    """One path for all bars of a kind; good and defective ones stand side by side in a bin."""
    step = WIDTH / BINS
    left, width = ((0.08, 0.42), (0.5, 0.42), (0.08, 0.84))[slot]
    parts = []
    for place in np.flatnonzero(counts):
        x = step * (float(place) + left)
        # A single part can be seen too.
        height = max(4.0, abs(scale) * float(np.sqrt(counts[place])))
        y = AXIS_Y - height if scale > 0 else AXIS_Y
        parts.append(f"M{x:.1f} {y:.1f}h{step * width:.1f}v{height:.1f}h-{step * width:.1f}z")
    return f'<path class="{kind}" d="{"".join(parts)}"/>' if parts else ""


def _zones(axis: Axis, review: float, reject: float) -> str:
    edges = (0.0, axis.place(review), axis.place(reject), float(WIDTH))
    kinds = ("pass", "review", "reject")
    return "".join(
        f'<rect class="{kind}" x="{left:.1f}" y="34" width="{right - left:.1f}" '
        f'height="{UP + DOWN}"/>'
        for kind, left, right in zip(kinds, edges[:-1], edges[1:], strict=True)
    )


def _threshold(axis: Axis, score: float, name: str, anchor: str) -> str:
    x = axis.place(score)
    # The two names stand on the outer sides of their lines, but inside of the chart.
    if x < 190:
        anchor = "start"
    elif x > WIDTH - 190:
        anchor = "end"
    offset = -8 if anchor == "end" else 8
    return (
        f'<path class="threshold" d="M{x:.1f} 6V{AXIS_Y + DOWN}"/>'
        f'<text x="{x + offset:.1f}" y="24" text-anchor="{anchor}">'
        f"{name} {score_text(score)}</text>"
    )


def _ends(axis: Axis) -> str:
    marks = []
    for place in range(6):
        score = axis.low + (axis.high - axis.low) * place / 5
        anchor = "start" if place == 0 else "end" if place == 5 else "middle"
        marks.append(
            f'<text class="tick" x="{WIDTH * place / 5:.0f}" y="{HEIGHT - 8}" '
            f'text-anchor="{anchor}">{score_text(score)}</text>'
        )
    return "".join(marks)
