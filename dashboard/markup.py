"""Small pieces of HTML that both pages are made of. Text that comes from data is escaped."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

from db.tables import Verdict

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

#: CSS class of a verdict: theme.css gives each its colour and its shape.
VERDICT_CLASSES = {
    Verdict.PASS: "pass",
    Verdict.REVIEW: "review",
    Verdict.REJECT: "reject",
    Verdict.UNINSPECTED: "uninspected",
}
#: Words that Markdown leaves alone, as names of lines are.
NAME = re.compile(r"(?!www\.)[A-Za-z0-9][A-Za-z0-9_.-]*")
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
#: Where the marker of a score far off the scale stands, in percent.
SCALE_MARGIN = 1.5


def lamp(verdict: str) -> str:
    """A verdict as colour, shape and word, so that each of the three suffices."""
    word = Verdict(verdict)
    return f'<span class="lw-lamp {VERDICT_CLASSES[word]}"><i></i>{word.value}</span>'


def clock_time(moment: datetime, zone: tzinfo) -> str:
    """Time of day in the viewer's zone."""
    return f"{moment.astimezone(zone):%H:%M:%S}"


def date_and_time(moment: datetime, zone: tzinfo) -> str:
    """Date and time of day in the viewer's zone."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """A time span in its largest unit: `45 s`, `3 min`, `2 h`, `4 d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def count(number: int) -> str:
    """A whole number, its thousands separated."""
    return f"{number:,}"


def score_text(score: float) -> str:
    """A score with four significant digits, however large its model's scores are."""
    magnitude = math.floor(math.log10(abs(score))) if score else 0
    return f"{score:.{min(max(3 - magnitude, 0), 6)}f}"


def score_scale(score: float, review: float, reject: float) -> str:
    """A score as a marker on a bar with the zones PASS, REVIEW and REJECT.

    The zones stand still for a model version, so that the marker's place can be read from afar.
    """
    low, high = scale_ends(review, reject)

    def place(value: float) -> float:
        share = 100 * (value - low) / (high - low)
        return min(100 - SCALE_MARGIN, max(SCALE_MARGIN, share))

    zones = f"--from-review:{place(review):.1f}%;--from-reject:{place(reject):.1f}%"
    marker = f'<i style="left:{place(score):.1f}%"></i>'
    return f'<div class="lw-scale" style="{zones}">{marker}</div>'


def scale_ends(review: float, reject: float) -> tuple[float, float]:
    """Ends of the score scale: the reject threshold stands in the middle.

    Distances start at 0. Log-likelihoods know no zero: the thresholds' distance is the measure.
    """
    if review > 0:
        return 0.0, 2 * reject
    reach = max(4 * (reject - review), 1e-6)
    return reject - reach, reject + reach


def plain_label(text: str) -> str:
    """Text from data for a widget's label, which Streamlit takes for Markdown: as it is.

    Addresses become links even where all punctuation is escaped, but for an invisible character.
    """
    if NAME.fullmatch(text):
        return text
    return _PUNCTUATION.sub(r"\\\g<0>", _ADDRESS.sub("\u2060", text))


def svg_uri(svg: str) -> str:
    """An SVG as a picture's address: Streamlit strips it from HTML, and shows it in an <img>."""
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode('ascii')}"


def notice(title: str, text: str) -> str:
    """A calm message in the middle of the page."""
    return f'<div class="lw-notice"><h2>{escape(title)}</h2><p>{_prose(text)}</p></div>'


def warning(text: str) -> str:
    """One line that asks for something to be done."""
    return f'<div class="lw-warning" role="status"><span>{_prose(text)}</span></div>'


def done(text: str) -> str:
    """One line that says what was done."""
    return f'<div class="lw-done" role="status"><span>{_prose(text)}</span></div>'


def sentence(text: str) -> str:
    """A message with a capital letter, to stand by itself."""
    return text[:1].upper() + text[1:]


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent; a dash where it is not known."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _prose(text: str) -> str:
    """Escaped text, with what stands in backticks set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
