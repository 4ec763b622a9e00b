"""Where a score lies among the line's recent ones: a small histogram on the scale of the zones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.database import session
from dashboard.markup import scale_ends, score_scale, svg_uri
from db.recent_scores import recent_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 40
HEIGHT = 40
#: A picture knows no style sheet.
GREY = "#8b969e"
#: Recent scores change slowly, and every card of a line shows the same ones.
REMEMBER_S = 30


def score_histogram(line_id: int, model: int, score: float, review: float, reject: float) -> str:
    """The line's recent scores above the zones PASS, REVIEW, REJECT, and where `score` stands."""
    bars = _bars(_recent(line_id, model), *scale_ends(review, reject))
    return f'<div class="lw-hist">{bars}{score_scale(score, review, reject)}</div>'


@st.cache_data(max_entries=64, ttl=REMEMBER_S, show_spinner=False)
def _recent(line_id: int, model: int) -> list[float]:
    with session() as reads:
        return recent_scores(reads, line_id, model)


def _bars(scores: Sequence[float], low: float, high: float) -> str:
    """A picture of counts; scores beyond the scale stand at its ends, as the marker would."""
    counts = [0] * BINS
    for score in scores:
        place = int((score - low) / (high - low) * BINS)
        counts[min(BINS - 1, max(0, place))] += 1
    # Square roots: the few high scores among hundreds of good ones must be seen.
    tallest = math.sqrt(max(counts)) or 1.0
    rects = []
    for place, count in enumerate(counts):
        if count:
            tall = max(1.5, HEIGHT * math.sqrt(count) / tallest)
            rects.append(
                f'<rect x="{place + 0.06:.2f}" y="{HEIGHT - tall:.1f}" '
                f'width="0.88" height="{tall:.1f}"/>'
            )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{BINS}" height="{HEIGHT}" '
        f'viewBox="0 0 {BINS} {HEIGHT}" preserveAspectRatio="none" fill="{GREY}">'
        f"{''.join(rects)}</svg>"
    )
    return f'<img alt="The last {len(scores)} scores of the line" src="{svg_uri(svg)}">'
