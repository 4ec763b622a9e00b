"""How a candidate does in the shadow: live frames beside the version that scores."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from dashboard.markup import count, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping


def progress(seen: int, wanted: int) -> str:
    """A candidate that is in the shadow now."""
    share = min(1.0, seen / wanted) if wanted else 1.0
    return (
        '<div class="lw-panel"><h3>Shadow <span class="lw-chip busy">running</span></h3>'
        f"<p>It has scored {count(seen)} of {count(wanted)} live frames, without consequences.</p>"
        f'<div class="lw-bar"><i style="width:{100 * share:.1f}%"></i></div></div>'
    )


def result(shadow: Mapping[str, Any] | None) -> str:
    """What came out; None: it was never in the shadow."""
    if shadow is None:
        return '<div class="lw-panel"><h3>Shadow</h3><p>It was never in the shadow.</p></div>'
    if shadow.get("ended"):
        return (
            '<div class="lw-panel"><h3>Shadow <span class="lw-chip bad">ended early</span></h3>'
            f"<p>{escape(sentence(str(shadow['ended'])))}.</p></div>"
        )
    held_back = shadow.get("not_promoted")
    note = f"<p>Not promoted by itself: {escape(str(held_back))}.</p>" if held_back else ""
    return (
        '<div class="lw-panel"><h3>Shadow <span class="lw-chip good">done</span></h3>'
        f"<p>On {count(shadow['frames'])} live frames, both said the same of "
        f"{percent(shadow['agreement'])}.</p>{_table(shadow)}{note}</div>"
    )


def _table(shadow: Mapping[str, Any]) -> str:
    champion, candidate = shadow["champion"], shadow["candidate"]
    rows = (
        ("Flagged", percent(champion["flag_rate"]), percent(candidate["flag_rate"])),
        ("Flagged alone", count(shadow["champion_only"]), count(shadow["candidate_only"])),
        ("Time for a frame", _milliseconds(champion), _milliseconds(candidate)),
    )
    body = "".join(
        f"<tr><th>{name}</th><td><b>{first}</b></td><td><b>{second}</b></td></tr>"
        for name, first, second in rows
    )
    head = "<tr><th></th><th>Champion</th><th>Candidate</th></tr>"
    return f'<table class="lw-table">{head}{body}</table>'


def _milliseconds(side: Mapping[str, Any]) -> str:
    value = side.get("score_ms")
    return "–" if value is None else f"{value:.1f} ms"
