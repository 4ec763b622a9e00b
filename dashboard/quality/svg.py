"""Pieces of small charts as inline SVG. Colours are in theme.css; text from data is escaped."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Corners of a diamond within -1 to 1: what asks for attention differs in shape, too.
DIAMOND = ((0, -1), (1, 0), (0, 1), (-1, 0))


def show(picture: str) -> None:
    """Put a chart on the page: `st.html` would take every SVG element out."""
    st.markdown(f'<div class="lw-part">{picture}</div>', unsafe_allow_html=True)


def chart(width: int, height: int, label: str, *parts: str) -> str:
    """The whole picture; it takes the width of its place."""
    return (
        f'<svg class="lw-chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{_plain(label)}">{"".join(parts)}</svg>'
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def path(points: Iterable[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """Lines from point to point, filled if closed."""
    name = "polygon" if closed else "polyline"
    return f'<{name} class="{kind}" points="{_joined(points)}"/>'


def box(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    """A rectangle, with words shown when pointed at."""
    size = f'width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size}>{_title(title)}</rect>'


def dot(x: float, y: float, radius: float, kind: str, title: str = "") -> str:
    """A circle, with words shown when pointed at."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{_title(title)}</circle>'


def diamond(x: float, y: float, radius: float, kind: str, title: str = "") -> str:
    """A diamond, with words shown when pointed at."""
    corners = _joined((x + radius * i, y + radius * j) for i, j in DIAMOND)
    return f'<polygon class="{kind}" points="{corners}">{_title(title)}</polygon>'


def text(x: float, y: float, words: str, anchor: str = "end", kind: str = "tick") -> str:
    """Words, their end (start, middle) at x."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{_plain(words)}</text>'


def ticks(highest: float, parts: int) -> list[float]:
    """Round numbers from 0 that reach `highest` in at most so many steps of 1, 2 or 5."""
    if not highest > 0:
        return [0.0, 1.0]
    step = round_step(highest, parts)
    return [number * step for number in range(math.ceil(highest / step - 1e-9) + 1)]


def ticks_between(low: float, high: float, parts: int) -> list[tuple[float, str]]:
    """Round numbers within `low` to `high`, and how they are written."""
    step = round_step(high - low, parts)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step:.{digits}f}") for number in range(first, last + 1)]


def round_step(span: float, parts: int) -> float:
    """The smallest of 1, 2, 5 (at any power of ten) of which `parts` cover `span`, above 0."""
    power = 10.0 ** math.floor(math.log10(span / parts))
    return next(f * power for f in (1, 2, 5, 10, 20) if f * power * parts >= span * (1 - 1e-9))


def shortened(words: str, most: int) -> str:
    """At most so many characters."""
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def _joined(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _title(words: str) -> str:
    return f"<title>{_plain(words)}</title>" if words else ""


def _plain(words: str) -> str:
    """Escaped, and in one line: an empty line would end the HTML that `st.markdown` takes."""
    return escape(" ".join(words.split()))
