"""The page's two charts as inline SVG; their colours are in page.css."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dashboard.markup import count, score_text
from linewatch.report.figures import bin_edges, round_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from models.calibration import Thresholds

#: Signs of the verdicts, as on the dashboard: polygons within -1 to 1.
SIGNS = {
    "review": ((0, -0.92), (1, 0.88), (-1, 0.88)),
    "reject": tuple((math.cos(a), math.sin(a)) for a in np.arange(1, 16, 2) * math.pi / 8),
}
LEFT, RIGHT, BOTTOM = 56, 14, 50
ROC_WIDTH, ROC_HEIGHT, ROC_TOP = 440, 440, 16
SCORES_WIDTH, SCORES_HEIGHT, SCORES_TOP, TITLE, ROW = 720, 440, 44, 26, 20


def sign(verdict: str, x: float, y: float, radius: float = 7) -> str:
    """A verdict's sign, centred at x and y."""
    corners = " ".join(f"{x + radius * i:.1f},{y + radius * j:.1f}" for i, j in SIGNS[verdict])
    return f'<polygon class="sign {verdict}" points="{corners}"/>'


def roc_chart(
    points: NDArray[np.float64], review: tuple[float, float], reject: tuple[float, float]
) -> str:
    """The ROC curve with the place of each stored threshold on it.

    Args:
        points: (points, 2), share of the good images flagged, share of the defective ones flagged.
        review: that point at the review threshold.
        reject: that point at the reject threshold.
    """
    width, height = ROC_WIDTH - LEFT - RIGHT, ROC_HEIGHT - ROC_TOP - BOTTOM
    right, bottom = LEFT + width, ROC_TOP + height

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return LEFT + width * point[0], bottom - height * point[1]

    grid = []
    for tick in (0, 20, 40, 60, 80, 100):
        x, y = place((tick / 100, tick / 100))
        grid.append(_line(x, ROC_TOP, x, bottom, "grid") + _line(LEFT, y, right, y, "grid"))
        grid.append(_text(x, bottom + 18, f"{tick}", "middle") + _text(LEFT - 8, y + 4, f"{tick}"))
    curve = " ".join("{:.1f},{:.1f}".format(*place((x, y))) for x, y in points.tolist())
    return _chart(
        ROC_WIDTH,
        ROC_HEIGHT,
        "ROC curve",
        *grid,
        _line(LEFT, bottom, right, ROC_TOP, "chance"),
        f'<polyline class="curve" points="{curve}"/>',
        sign("review", *place(review)),
        sign("reject", *place(reject)),
        _text(LEFT + width / 2, ROC_HEIGHT - 8, "Good images flagged, %", "middle", "axis"),
        f'<g transform="translate(14 {ROC_TOP + height / 2:.1f}) rotate(-90)">'
        f"{_text(0, 0, 'Defective images flagged, %', 'middle', 'axis')}</g>",
    )


def scores_chart(
    good: NDArray[np.floating],
    defective: NDArray[np.floating],
    thresholds: Thresholds,
    boundary: float | None = None,
) -> str:
    """How often each score occurs, good images above defective ones, on one axis.

    Args:
        good: scores of the good images.
        defective: scores of the defective ones.
        thresholds: drawn as lines through both; the ground shows the verdicts' zones.
        boundary: the score from which the method itself calls a part abnormal; a line too.
    """
    own = [] if boundary is None else [boundary]
    ends = np.array([thresholds.review, thresholds.reject, *own])
    edges = bin_edges(np.concatenate([good, defective, ends]))
    width, bottom = SCORES_WIDTH - LEFT - RIGHT, SCORES_HEIGHT - BOTTOM

    def place(score: float) -> float:
        return LEFT + width * float((score - edges[0]) / (edges[-1] - edges[0]))

    xs = [place(edge) for edge in edges]
    cuts = [LEFT, place(thresholds.review), place(thresholds.reject), LEFT + width]
    chart_top = SCORES_TOP + ROW * len(own)
    panel = (bottom - chart_top) / 2
    parts: list[str] = []
    panels = ((chart_top, "Good", good), (chart_top + panel, "Defective", defective))
    for top, _, scores in panels:
        floor = top + panel
        parts.extend(_zones(cuts, top + TITLE, floor))
        parts.extend(_bars(xs, np.histogram(scores, edges)[0], top + TITLE, floor))
    parts.extend(_score_axis(edges, xs, bottom))
    marks = [("review", "Review", thresholds.review), ("reject", "Reject", thresholds.reject)]
    marks += [("own", "The method's own boundary:", score) for score in own]
    for row, (kind, name, score) in enumerate(marks):
        label = f"{name} {'' if kind == 'own' else 'from '}{score_text(score)}"
        parts.append(_threshold(kind, label, place(score), ROW * row + 12, bottom))
    parts.append(_text(LEFT + width / 2, SCORES_HEIGHT - 8, "Image score", "middle", "axis"))
    # After the lines, which may cross them.
    for top, name, scores in panels:
        label = f"{name}: {count(len(scores))} images"
        parts.append(_text(LEFT, top + TITLE - 8, label, "start", "label"))
    return _chart(SCORES_WIDTH, SCORES_HEIGHT, "Histograms of the image scores", *parts)


def _zones(cuts: list[float], top: float, bottom: float) -> Iterator[str]:
    for name, left, right in zip(("pass", "review", "reject"), cuts, cuts[1:], strict=False):
        yield _box(left, top, right - left, bottom - top, f"zone {name}")


def _bars(xs: list[float], counts: NDArray[np.intp], top: float, floor: float) -> Iterator[str]:
    """Bars with their axis; its step is a whole number of images."""
    highest = max(int(counts.max()), 1)
    step = max(1, round(round_step(highest, 3)))
    height = (floor - top - 6) / highest
    for tick in range(0, highest + 1, step):
        y = floor - tick * height
        yield _line(LEFT, y, xs[-1], y, "grid") + _text(LEFT - 8, y + 4, f"{tick}")
    for left, right, images in zip(xs, xs[1:], counts.tolist(), strict=False):
        if images:
            tall = max(images * height, 1.5)  # one image among thousands is still seen
            yield _box(left + 0.5, floor - tall, right - left - 1, tall, "bar")
    yield _line(LEFT, floor, xs[-1], floor, "floor")


def _score_axis(edges: NDArray[np.float64], xs: list[float], bottom: float) -> Iterator[str]:
    low, high = float(edges[0]), float(edges[-1])
    step = round_step(high - low, 7)
    digits = max(0, -math.floor(math.log10(step)))
    for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        x = xs[0] + (xs[-1] - xs[0]) * (index * step - low) / (high - low)
        yield _line(x, bottom, x, bottom + 5, "floor")
        yield _text(x, bottom + 19, f"{index * step:.{digits}f}", "middle")


def _threshold(kind: str, label: str, x: float, y: float, bottom: float) -> str:
    """A threshold's line; its sign and words stand in a row of their own, so that none collide."""
    is_left = x < SCORES_WIDTH * 0.75
    return (
        _line(x, y, x, bottom, f"threshold {kind}")
        + (sign(kind, x, y) if kind in SIGNS else "")
        + _text(x + (12 if is_left else -12), y + 4, label, "start" if is_left else "end", "label")
    )


def _chart(width: int, height: int, label: str, *parts: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _box(x: float, y: float, width: float, height: float, kind: str) -> str:
    size = f'width="{max(width, 0):.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size}/>'


def _text(x: float, y: float, text: str, anchor: str = "end", kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
