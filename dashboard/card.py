"""One flagged frame on the Review page: its picture under the anomaly map, and its facts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dashboard import pictures
from dashboard.markup import date_and_time, lamp, score_scale, score_text

if TYPE_CHECKING:
    from datetime import tzinfo

    from db.inspections import InspectionView


def picture(frame: InspectionView) -> str:
    """The frame with its map on top; the map's opacity is set by `opacity_style`."""
    parts = pictures.of(frame)
    rendered = pictures.card(parts) if parts else None
    if rendered is None:
        text = "The picture is missing in the image store" if parts else "The picture was not kept"
        return f'<div class="lw-card" data-card="{frame.id}"><p>{text}</p></div>'
    plain, hot = rendered
    layers = f'<img decoding="sync" alt="" src="{plain}">'
    if hot is not None:
        layers += f'<img class="lw-heat" decoding="sync" alt="" src="{hot}">'
    return f'<div class="lw-card" data-card="{frame.id}">{layers}</div>'


def opacity_style(percent: int) -> str:
    """How strongly the map covers the picture, which need not be sent again for it."""
    return f"<style>.lw-heat {{ opacity: {percent / 100:.2f} }}</style>"


def facts(frame: InspectionView, line: str, zone: tzinfo) -> str:
    """Verdict, score, and where the frame comes from."""
    rows = [
        ("Line", line),
        ("Camera", frame.camera),
        ("Time", date_and_time(frame.captured_at, zone)),
        ("Part", frame.part_id or "–"),
    ]
    table = "".join(f"<dt>{label}</dt><dd>{escape(text)}</dd>" for label, text in rows)
    return f'<div class="lw-about">{_score(frame)}<dl>{table}</dl></div>'


def _score(frame: InspectionView) -> str:
    review, reject = frame.review_threshold, frame.reject_threshold
    if frame.score is None or review is None or reject is None:
        return lamp(frame.verdict)
    return (
        f'<div class="lw-score">{lamp(frame.verdict)}<b>{score_text(frame.score)}</b></div>'
        f"{score_scale(frame.score, review, reject)}"
        f"<p><span>Review from {score_text(review)}</span>"
        f"<span>Reject from {score_text(reject)}</span></p>"
    )
