"""One camera on the Live page: its newest frame, verdict and score, and the frames before it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dashboard import pictures
from dashboard.markup import VERDICT_CLASSES, clock_time, lamp, score_scale, score_text
from db.tables import Verdict

if TYPE_CHECKING:
    from datetime import tzinfo

    from db.inspections import InspectionView


def tile(
    camera: str, frames: list[InspectionView], *, rows: int, upright: bool, zone: tzinfo
) -> str:
    """A camera's tile, upright or lying; `rows` of them share the height of the screen."""
    newest = frames[0] if frames else None
    if newest is None:
        body = _head(camera, "", "") + '<div class="lw-well"><p>No frame yet</p></div>'
        body += '<div class="lw-facts"></div><div class="lw-strip"></div>'
    else:
        taken = clock_time(newest.captured_at, zone)
        body = _head(camera, taken, lamp(newest.verdict)) + _well(newest)
        body += _facts(newest) + _strip(frames[1:])
    layout = "stack" if upright else "side"
    return f'<div class="lw-tile {layout}" style="--rows:{rows}">{body}</div>'


def _head(camera: str, taken: str, verdict_lamp: str) -> str:
    name = f"<div><h3>{escape(camera)}</h3><time>{taken}</time></div>"
    return f'<div class="lw-head">{name}{verdict_lamp}</div>'


def _well(frame: InspectionView) -> str:
    picture = pictures.of(frame)
    if picture is None:
        text = f"Not inspected: {frame.reason}" if frame.reason else "The picture was not kept"
        return f'<div class="lw-well"><p>{escape(text)}</p></div>'
    uri = pictures.tile(picture)
    if uri is None:
        return '<div class="lw-well"><p>The picture is missing in the image store</p></div>'
    # Decoded before it is painted: no blank flash when the next frame takes its place.
    return f'<div class="lw-well"><img decoding="sync" alt="" src="{uri}"></div>'


def _facts(frame: InspectionView) -> str:
    review, reject = frame.review_threshold, frame.reject_threshold
    if frame.score is None or review is None or reject is None:
        return '<div class="lw-facts"></div>'
    return (
        f'<div class="lw-facts">{score_scale(frame.score, review, reject)}'
        f"<p><span>Score <b>{score_text(frame.score)}</b></span>"
        f"<span>Reject from {score_text(reject)}</span></p></div>"
    )


def _strip(frames: list[InspectionView]) -> str:
    return f'<div class="lw-strip">{"".join(_thumbnail(frame) for frame in frames)}</div>'


def _thumbnail(frame: InspectionView) -> str:
    picture = pictures.of(frame)
    uri = pictures.thumbnail(picture) if picture else None
    image = f'<img decoding="sync" alt="" src="{uri}">' if uri else ""
    kind = VERDICT_CLASSES[Verdict(frame.verdict)]
    return f'<span class="{kind}" title="{escape(frame.verdict)}">{image}<i></i></span>'
