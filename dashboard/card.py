"""One inspection on the Review page: its picture under the anomaly map, and its facts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dashboard import pictures
from dashboard.histogram import score_histogram
from dashboard.markup import date_and_time, lamp, score_text, svg_uri
from db.tables import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from dashboard.proposal import Proposal
    from db.inspections import InspectionView
    from db.tables import Review

#: Of the contour: a picture knows no style sheet.
DARK, LIGHT = "#12181d", "#fff"
BLIND = "Blind check: what the machine found stays hidden, so that your answer is your own."


def is_blind(frame: InspectionView) -> bool:
    """Whether the machine's word is hidden: PASS frames wait only because they were drawn."""
    return frame.verdict == Verdict.PASS


def picture(frame: InspectionView, mask: Proposal | None, *, accepted: bool) -> str:
    """The frame, its map on top, and the mask's contour; `opacity_style` sets the map's opacity.

    Args:
        frame: the inspection.
        mask: what is proposed or drawn; None: nothing.
        accepted: whether the mask would be stored with `defect`; otherwise its contour is faint.
    """
    parts = pictures.of(frame, bare=is_blind(frame))
    rendered = pictures.card(parts) if parts else None
    if rendered is None:
        text = "The picture is missing in the image store" if parts else "The picture was not kept"
        return f'<div class="lw-card" data-card="{frame.id}"><p>{text}</p></div>'
    plain, hot = rendered
    layers = f'<img decoding="sync" alt="" src="{plain}">'
    if hot is not None:
        layers += f'<img class="lw-heat" decoding="sync" alt="" src="{hot}">'
    focus = ""
    if mask is not None:
        layers += _contour(frame, mask, accepted=accepted)
        focus = f' data-focus="{mask.focus[0]:.4f} {mask.focus[1]:.4f}"'
    zoomed = f'<div class="lw-zoom">{layers}</div><span class="lw-hint"><kbd>X</kbd> zoom</span>'
    return f'<div class="lw-card" data-card="{frame.id}"{focus}>{zoomed}</div>'


def opacity_style(percent: int) -> str:
    """How strongly the map covers the picture, which need not be sent again for it."""
    return f"<style>.lw-heat {{ opacity: {percent / 100:.2f} }}</style>"


def facts(frame: InspectionView, line: str, zone: tzinfo, words: Sequence[Review] = ()) -> str:
    """What the machine said and why, what people said, and where the frame comes from."""
    said = "".join(_word(review, zone) for review in words)
    people = f'<ul class="lw-words">{said}</ul>' if said else ""
    machine = f'<p class="lw-blind">{BLIND}</p>' if is_blind(frame) else _score(frame)
    return f'<div class="lw-about">{machine}{people}{_origin(frame, line, zone)}</div>'


def _contour(frame: InspectionView, mask: Proposal, *, accepted: bool) -> str:
    """A line that is as wide on the screen whatever the picture's size; light on dark."""
    path = f'<path d="{mask.path}" vector-effect="non-scaling-stroke"/>'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{frame.width_px}" '
        f'height="{frame.height_px}" viewBox="0 0 {frame.width_px} {frame.height_px}" '
        'fill="none" stroke-linejoin="round">'
        f'<g stroke="{DARK}" stroke-opacity=".75" stroke-width="4.5">{path}</g>'
        f'<g stroke="{LIGHT}" stroke-width="2">{path}</g></svg>'
    )
    kind = "lw-contour" if accepted else "lw-contour faint"
    return f'<img class="{kind}" decoding="sync" alt="" src="{svg_uri(svg)}">'


def _score(frame: InspectionView) -> str:
    review, reject = frame.review_threshold, frame.reject_threshold
    if frame.score is None or review is None or reject is None or frame.model_number is None:
        return lamp(frame.verdict)
    where = (frame.line_id, frame.model_number, frame.score)
    return (
        f'<div class="lw-score">{lamp(frame.verdict)}<b>{score_text(frame.score)}</b></div>'
        f"{score_histogram(*where, review, reject)}"
        f"<p><span>Review from {score_text(review)}</span>"
        f"<span>Reject from {score_text(reject)}</span></p>"
    )


def _word(review: Review, zone: tzinfo) -> str:
    kind = f", {escape(review.defect_class)}" if review.defect_class else ""
    when = date_and_time(review.created_at, zone)
    return (
        f"<li><b>{escape(review.decision)}{kind}</b> "
        f"{escape(review.reviewer)} · <time>{when}</time></li>"
    )


def _origin(frame: InspectionView, line: str, zone: tzinfo) -> str:
    part = f" · part {escape(frame.part_id)}" if frame.part_id else ""
    when = date_and_time(frame.captured_at, zone)
    return (
        f'<p class="lw-origin"><span>{escape(line)} · {escape(frame.camera)}{part}</span>'
        f"<time>{when}</time></p>"
    )
