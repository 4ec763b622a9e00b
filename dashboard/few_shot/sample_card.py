"""One confirmed defect, large: what is known of it, and taking it out or in again."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import pictures
from dashboard.actor import current_actor, may
from dashboard.changing import attempt, tell
from dashboard.database import session
from dashboard.few_shot.words import REASONS, SOURCES, UNNAMED, USED
from dashboard.markup import date_and_time, plain_label, warning
from dashboard.viewer import zone
from db import samples
from db.few_shot import NotUsed
from db.tables import Review, Role

if TYPE_CHECKING:
    from dashboard.few_shot.reading import FewShotView
    from db.few_shot import FewShotSample

_OPEN = "few-shot-open"


def open_card(sample_id: int) -> None:
    """Let the page show this one large, until it is closed."""
    st.session_state[_OPEN] = sample_id


def show_card(view: FewShotView) -> None:
    """The one that was pressed, in a dialog; nothing if none was."""
    wanted = st.session_state.get(_OPEN)
    for one in view.found:
        if one.id == wanted:
            title = f"{view.line} · {one.defect_class or UNNAMED}"
            st.dialog(plain_label(title), width="large", on_dismiss=_close)(_show)(one)


def _close() -> None:
    st.session_state.pop(_OPEN, None)


def _show(one: FewShotSample) -> None:
    uri = pictures.marked(one.image_key, one.mask_key, large=True)
    image = (
        f'<img decoding="sync" alt="" src="{uri}">'
        if uri
        else ("<p>The picture is missing in the image store</p>")
    )
    st.html(f'<div class="lw-large">{image}</div>{_facts(one)}')
    if not may(Role.ENGINEER):
        return
    is_out = one.why_not is NotUsed.REMOVED
    word = "Restore" if is_out else "Remove"
    reason = st.text_input(
        "Why", key=f"few-shot-reason-{one.id}", max_chars=samples.MAX_REASON_CHARS,
        placeholder="Say why: others will want to know later",
    )  # fmt: skip
    refused = st.empty()
    with st.container(key="ask-buttons", horizontal=True, horizontal_alignment="right"):
        if st.button("Close", key="ask-cancel"):
            _close()
            st.rerun()
        # The key says what the press means, whatever became of the defect meanwhile.
        if st.button(word, key=f"few-shot-{word.lower()}-{one.id}", type="primary"):
            _change(one, reason, word, refused, is_out=is_out)


def _change(
    one: FewShotSample, reason: str, word: str, refused: st.delta_generator.DeltaGenerator, *,
    is_out: bool,
) -> None:  # fmt: skip
    act = samples.restore if is_out else samples.remove
    problem = attempt(lambda s: act(s, one.id, actor=current_actor(), reason=reason))
    if problem is None:
        _close()
        tell(f"Defect {one.id} is {word.lower()}d")
        st.rerun()
    refused.html(warning(problem))


def _facts(one: FewShotSample) -> str:
    rows = [("Defect", str(one.id)), ("Label from", _origin(one))]
    if one.mask_key is None:
        rows.append(("Place", "nobody has drawn where the defect is"))
    if one.removed_at is not None:
        taken = f"{one.removed_by}, {date_and_time(one.removed_at, zone())}: {one.removed_reason}"
        rows.append(("Removed by", taken))
    use = USED if one.why_not is None else REASONS[one.why_not]
    if one.why_not is NotUsed.NEAR_DUPLICATE:
        use += f" That is defect {one.duplicate_of_id}."
    rows.append(("Use", use))
    table = "".join(f"<dt>{label}</dt><dd>{escape(text)}</dd>" for label, text in rows)
    return f'<dl class="lw-about-sample">{table}</dl>'


def _origin(one: FewShotSample) -> str:
    if one.review_id is None:
        return f"{SOURCES[one.source]}, {date_and_time(one.created_at, zone())}"
    with session() as reads:
        review = reads.get_one(Review, one.review_id)
        return f"{review.reviewer}, {date_and_time(review.created_at, zone())}"
