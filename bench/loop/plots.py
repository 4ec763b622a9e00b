"""The section's plots as small SVG files that a README can show, light or dark around them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from models.statistics.intervals import Interval

#: As on the dashboard.
INK, SOFT, PAPER, EDGE = "#12181d", "#46525c", "#fbfcfc", "#c3cbd1"
#: Differ in hue and in shape.
SERIES = (("#0b5a8a", "circle"), ("#b83a06", "diamond"), ("#00705a", "square"))
BAND = "#d8ebe6"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
#: A point: its place on the axis below, its figure, and that one's interval.
Point = tuple[float, float, "Interval"]


def rounds_plot(
    file: Path, panels: Sequence[tuple[str, tuple[float, float], dict[str, list[Point]]]]
) -> None:
    """Figures against confirmed defects: one panel a figure, one line a set.

    Args:
        file: to write.
        panels: of each its title, the ends of its axis, and the points of each set.
    """
    width, height, left, top, gap = 860, 330, 58, 62, 70
    panel = (width - left - 18 - gap * (len(panels) - 1)) / len(panels)
    bottom = height - 52
    parts: list[str] = []
    for number, (title, (low, high), series) in enumerate(panels):
        x0 = left + number * (panel + gap)
        most = max(x for points in series.values() for x, *_ in points)

        def across(x: float, x0: float = x0, most: float = most) -> float:
            return x0 + 12 + (panel - 24) * x / most

        def up(y: float, low: float = low, high: float = high) -> float:
            return bottom - (bottom - top) * (y - low) / (high - low)

        parts.append(_text(x0, top - 14, title, size=15, weight=600))
        for step in range(6):
            y = low + (high - low) * step / 5
            parts.append(_line(x0, up(y), x0 + panel, up(y), EDGE))
            parts.append(_text(x0 - 8, up(y) + 4, _number(y, high - low), "end", SOFT))
        for x in sorted({x for points in series.values() for x, *_ in points}):
            parts.append(_text(across(x), bottom + 19, f"{x:g}", "middle", SOFT))
        parts.append(_text(x0 + panel / 2, bottom + 40, "confirmed defects", "middle", SOFT))
        for which, points in enumerate(series.values()):
            colour, shape = SERIES[which % len(SERIES)]
            shift = 5 * (which - (len(series) - 1) / 2)
            for x, _, interval in points:
                at = across(x) + shift
                ends = up(min(interval.upper, high)), up(max(interval.lower, low))
                parts.append(_line(at, ends[0], at, ends[1], colour, 1.4, opacity=0.5))
            places = [(across(x) + shift, up(y)) for x, y, _ in points]
            parts.append(_path(places, colour))
            parts += [_mark(x, y, colour, shape) for x, y in places]
    names = list(panels[0][2])
    at = float(left)
    for which, name in enumerate(names):
        colour, shape = SERIES[which % len(SERIES)]
        parts.append(_mark(at + 6, 20, colour, shape))
        parts.append(_text(at + 18, 25, name, colour=INK))
        at += 44 + 7.5 * len(name)
    parts.append(_text(width - 18, 25, "bars: 95 % over the choice of the parts", "end", SOFT))
    _write(file, width, height, "Figures against confirmed defects", parts)


def coverage_plot(
    file: Path, rows: Sequence[tuple[str, dict[str, float]]], wanted: tuple[float, float]
) -> None:
    """How often an interval covers the truth, one row a setting.

    Args:
        file: to write.
        rows: of each setting its name, and the coverage by what it is of.
        wanted: the ends of what is aimed for.
    """
    width, left, top, row = 860, 372, 66, 23
    height = top + row * len(rows) + 44
    low, high = 0.89, 1.0
    bottom = top + row * len(rows)

    def across(x: float) -> float:
        return left + (width - left - 26) * (max(x, low) - low) / (high - low)

    band = across(wanted[1]) - across(wanted[0])
    parts = [
        f'<rect x="{across(wanted[0]):.1f}" y="{top - 6}" width="{band:.1f}" '
        f'height="{bottom - top + 6}" fill="{BAND}"/>'
    ]
    for percent in range(90, 101, 2):
        x = across(percent / 100)
        parts.append(_line(x, top - 6, x, bottom, EDGE))
        parts.append(_text(x, bottom + 18, f"{percent} %", "middle", SOFT))
    for number, (name, shares) in enumerate(rows):
        y = top + row * (number + 0.5)
        parts.append(_text(left - 14, y + 4, name, "end", INK, size=12.5))
        for which, share in enumerate(shares.values()):
            colour, shape = SERIES[which % len(SERIES)]
            parts.append(_mark(across(share), y, colour, shape))
    at = float(left)
    for which, name in enumerate(rows[0][1]):
        colour, shape = SERIES[which % len(SERIES)]
        parts.append(_mark(at + 6, 20, colour, shape))
        parts.append(_text(at + 18, 25, name))
        at += 44 + 7.5 * len(name)
    title = "How often the 95 % interval of the escape rate holds the truth"
    parts.append(_text(left, 46, title, colour=SOFT, size=12.5))
    _write(file, width, height, title, parts)


def _write(file: Path, width: float, height: float, label: str, parts: Iterable[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(label)}" '
        f'font-family="{FONT}" font-size="13">'
    )
    ground = f'<rect width="{width}" height="{height}" rx="6" fill="{PAPER}"/>'
    file.write_text("\n".join([head, ground, *parts, "</svg>"]) + "\n", encoding="utf-8")


def _number(value: float, span: float) -> str:
    return f"{value:.2f}" if span < 1 else f"{value:.1f}"


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, opacity: float = 1
) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}" opacity="{opacity}"/>'
    )


def _path(points: Iterable[tuple[float, float]], colour: str) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _mark(x: float, y: float, colour: str, shape: str, radius: float = 5) -> str:
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'
    turn = {"diamond": ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0))}.get(
        shape, ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9))
    )
    corners = " ".join(f"{x + radius * i:.1f},{y + radius * j:.1f}" for i, j in turn)
    return f'<polygon points="{corners}" fill="{colour}"/>'


def _text(
    x: float,
    y: float,
    words: str,
    anchor: str = "start",
    colour: str = INK,
    size: float = 13,
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
        f'font-size="{size}" font-weight="{weight}">{escape(words)}</text>'
    )
