"""The form of a line's settings, for engineers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import current_actor
from dashboard.changing import attempt, tell
from dashboard.markup import warning
from db import lines
from db.line_settings import MAX_SHADOW_FRAMES, LineSettings, change_settings
from db.tables import Promotion

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PROMOTIONS = {
    Promotion.PERSON.value: "A person promotes",
    Promotion.AUTOMATIC.value: "Promoted by itself after its shadow",
}


def show(line: str, now: LineSettings) -> None:
    """The form; what is saved holds from the next frame, or training, on."""
    with st.form("line-settings", border=False):
        first, second, third = st.columns(3, gap="medium")
        with first:
            st.html('<h4 class="lw-group">Reviews</h4>')
            audit = _percent("Audit sample, % of passed parts", now.audit_rate, "audit_rate")
            second_opinion = st.toggle(
                "A defect needs a second opinion", now.needs_second_opinion, key="needs-second"
            )
        with second:
            st.html('<h4 class="lw-group">When a new model is trained</h4>')
            every_h = _optional(
                "By the clock", "Hours between trainings", now.retrain_every_h, 24.0, 8784.0
            )
            after = _optional(
                "By new confirmed defects",
                "New confirmed defects",
                now.retrain_after_defects,
                10,
                100_000,
            )
            on_drift = st.toggle("When scores drift", now.retrain_on_drift, key="retrain-drift")
        with third:
            st.html('<h4 class="lw-group">What lets it score</h4>')
            promotion = st.selectbox(
                "After gate and shadow", list(PROMOTIONS),
                list(PROMOTIONS).index(now.promotion), PROMOTIONS.__getitem__,
                key="promotion", filter_mode=None,
            )  # fmt: skip
            budget = _percent(
                "False rejects allowed, % of good parts", now.false_reject_budget, "budget"
            )
            latency = _optional(
                "Time for a frame is limited",
                "Milliseconds for a frame",
                now.latency_budget_ms,
                50.0,
                60_000.0,
            )
            frames = st.number_input(
                "Live frames in the shadow", 0, MAX_SHADOW_FRAMES, now.shadow_frames, 10,
                key="shadow-frames",
            )  # fmt: skip
        pressed = st.form_submit_button("Save settings", key="save-settings", type="primary")
    if pressed:
        _save(
            line,
            audit_rate=audit,
            needs_second_opinion=second_opinion,
            retrain_every_h=every_h,
            retrain_after_defects=after,
            retrain_on_drift=on_drift,
            promotion=promotion,
            false_reject_budget=budget,
            latency_budget_ms=latency,
            shadow_frames=frames,
        )


def _optional(
    switch: str, label: str, now: float | None, usual: float, highest: float
) -> float | None:
    """A number that holds while its switch is on; None while it is off."""
    is_on = st.toggle(switch, now is not None, key=f"has {label}")
    is_whole = isinstance(usual, int)
    value = st.number_input(
        label,
        1 if is_whole else 0.1,
        highest,
        usual if now is None else now,
        1 if is_whole else 1.0,
        "%d" if is_whole else "%.1f",
        key=label,
    )
    return value if is_on else None


def _percent(label: str, share: float, key: str) -> float:
    value = st.number_input(label, 0.0, 100.0, 100 * share, 0.1, "%.2f", key=f"{key}-percent")
    # Two digits are shown: a share that was not touched stays as it is.
    return share if abs(value - 100 * share) < 0.005 else round(value / 100, 6)


def _save(line: str, **values: object) -> None:
    changed: list[str] = []

    def save(writes: Session) -> None:
        settings = LineSettings(**values)  # type: ignore[arg-type]
        found = change_settings(
            writes, lines.get_line(writes, line), settings, actor=current_actor()
        )
        changed.extend(found)

    problem = attempt(save)
    if problem is not None:
        st.html(warning(problem))
        return
    tell("The settings are saved" if changed else "The settings were so already")
    st.rerun()


def summary(now: LineSettings) -> str:
    """The settings in words, for whoever may not change them."""
    clock = f"every {now.retrain_every_h:g} h" if now.retrain_every_h else "not by the clock"
    defects = (
        f"after {now.retrain_after_defects} new defects"
        if now.retrain_after_defects
        else "not by defects"
    )
    drift = "on drift" if now.retrain_on_drift else "not on drift"
    opinion = "with" if now.needs_second_opinion else "without"
    return (
        f"Audit sample {100 * now.audit_rate:g} %, {opinion} a second opinion. Trained {clock}, "
        f"{defects}, {drift}. {PROMOTIONS[now.promotion]}, within {100 * now.false_reject_budget:g}"
        f" % false rejects and after {now.shadow_frames} frames in the shadow."
    )
