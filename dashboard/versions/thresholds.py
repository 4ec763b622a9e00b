"""Choosing a version's thresholds: what they would do is estimated anew as a slider moves."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.actor import current_actor, may
from dashboard.changing import change
from dashboard.database import explained
from dashboard.markup import percent, score_text
from dashboard.versions.chart import Axis, axis_of, histogram, legend
from db import lines, model_versions, thresholds
from db.tables import Role
from db.thresholds import MAX_REASON_CHARS
from models.statistics.at_thresholds import JudgedScores, estimate_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from db.tables import ModelVersion, ThresholdChange
    from models.statistics.at_thresholds import RatesAt
    from models.statistics.escape_rate import Estimate

#: How fine the sliders are.
STEPS = 400
#: Scores are read again after so long.
FRESH_S = 60


@dataclass(frozen=True)
class Known:
    """A version's scores, as arrays."""

    judged: JudgedScores
    recent: NDArray[np.float64]

    @property
    def good(self) -> NDArray[np.float64]:
        """Scores of the parts judged good."""
        return self.judged.scores[~self.judged.is_defective]

    @property
    def defective(self) -> NDArray[np.float64]:
        """Scores of the parts judged defective."""
        return self.judged.scores[self.judged.is_defective]


def read(reads: Session, version: ModelVersion) -> Known:
    """What is known of a version's scores; a minute old at most."""
    return _read(reads, str(reads.get_bind().engine.url), version.id, version)


@st.cache_data(max_entries=64, ttl=FRESH_S, show_spinner=False)
def _read(_reads: Session, place: str, version_id: int, _version: ModelVersion) -> Known:
    """`place` and `version_id` tell what is cached."""
    sample = thresholds.score_sample(_reads, _version)
    judged = sample.judged
    return Known(
        JudgedScores(
            np.array([part.score for part in judged], dtype=np.float64),
            np.array([part.weight for part in judged], dtype=np.float64),
            np.array([part.is_defective for part in judged], dtype=bool),
            np.array([part.is_audited for part in judged], dtype=bool),
        ),
        np.array(sample.recent, dtype=np.float64),
    )


def show(
    line: str,
    version: ModelVersion,
    known: Known,
    history: Sequence[ThresholdChange],
    zone: tzinfo,
) -> None:
    """Chart, sliders, estimates and history; a fragment, so that a slider costs only itself."""
    st.fragment(_show)(line, version, known)
    st.html(changes(history, zone))


def _show(line: str, version: ModelVersion, known: Known) -> None:
    with explained():
        now = (version.review_threshold, version.reject_threshold)
        axis = axis_of(np.concatenate([known.judged.scores, known.recent]), now)
        chosen = _chosen(version, axis, now)
        with st.container(key="thresholds"):
            st.html(
                histogram(
                    axis, known.good, known.defective, known.recent,
                    review=chosen[0], reject=chosen[1],
                )
                + legend(known.good.size, known.defective.size, known.recent.size)
            )  # fmt: skip
            if may(Role.ENGINEER) and version.retired_at is None:
                _sliders(version, axis)
            st.html(estimates(known, now, chosen))
            if may(Role.ENGINEER) and version.retired_at is None:
                _save(line, version, chosen, is_changed=chosen != now)


def _keys(version: ModelVersion) -> tuple[str, str]:
    """The sliders' keys: a saved change makes new ones, which begin at what was saved."""
    stamp = f"{version.id}-{version.review_threshold!r}-{version.reject_threshold!r}"
    return f"review-from-{stamp}", f"reject-from-{stamp}"


def _chosen(version: ModelVersion, axis: Axis, now: tuple[float, float]) -> tuple[float, float]:
    """Where the sliders stand; one that was not moved stands at the threshold exactly."""
    step = (axis.high - axis.low) / STEPS
    chosen = []
    for key, threshold in zip(_keys(version), now, strict=True):
        value = float(st.session_state.get(key, threshold))
        chosen.append(threshold if abs(value - threshold) < step / 2 else value)
    return chosen[0], max(chosen)


def _sliders(version: ModelVersion, axis: Axis) -> None:
    keys = _keys(version)
    now = (version.review_threshold, version.reject_threshold)
    digits = max(0, 3 - int(np.floor(np.log10(max(abs(axis.high - axis.low), 1e-9)))))
    columns = st.columns(2, gap="medium")
    for which, name in enumerate(("Review from", "Reject from")):
        with columns[which]:
            st.slider(
                name,
                axis.low,
                axis.high,
                now[which],
                (axis.high - axis.low) / STEPS,
                format=f"%.{min(digits, 6)}f",
                key=keys[which],
                on_change=_keep_order,
                args=(keys, which, now),
            )


def _keep_order(keys: tuple[str, str], moved: int, now: tuple[float, float]) -> None:
    """The slider that was moved takes the other one along."""
    state = st.session_state
    review, reject = (float(state.get(key, at)) for key, at in zip(keys, now, strict=True))
    if review > reject:
        state[keys[1 - moved]] = (review, reject)[moved]


def estimates(known: Known, now: tuple[float, float], chosen: tuple[float, float]) -> str:
    """What the chosen thresholds would do, and what the present ones do."""
    then = estimate_at(known.judged, known.recent, *chosen)
    today = estimate_at(known.judged, known.recent, *now)
    figures = (
        ("False rejects", "of good parts", then.false_reject_rate, today.false_reject_rate),
        ("Escapes", "of defective parts", then.escape_rate, today.escape_rate),
        ("To be looked at", "of all parts", then.review_share, today.review_share),
        ("Rejected", "of all parts", then.reject_share, today.reject_share),
    )
    is_changed = chosen != now
    cells = "".join(_figure(*figure, is_changed=is_changed) for figure in figures)
    return f'<div class="lw-estimates">{cells}</div>{_note(known, then)}'


def _figure(name: str, of: str, then: Estimate, today: Estimate, *, is_changed: bool) -> str:
    if then.value is None:
        between = "not known yet"
    else:
        between = f"{percent(then.interval.lower)} to {percent(then.interval.upper)}"
    before = f"<em>now {percent(today.value)}</em>" if is_changed else ""
    return (
        f'<div class="lw-figure"><span><strong>{name}</strong> {of}</span>'
        f"<b>{percent(then.value)}{before}</b><span>{between}</span></div>"
    )


def _note(known: Known, rates: RatesAt) -> str:
    if not known.recent.size and not known.judged.scores.size:
        text = "This version has not scored a frame yet: its thresholds come from its training."
    elif rates.escape_rate.value is None or rates.false_reject_rate.value is None:
        text = (
            "Escapes and false rejects are known once parts of the audit sample are reviewed: only "
            "those tell of the parts that passed."
        )
    else:
        audited = int(known.judged.is_audited.sum())
        text = (
            f"From {known.judged.scores.size:,} parts that people judged, {audited:,} of them "
            "drawn from those that passed; the ranges hold the truth with 95 % confidence."
        )
    return f'<p class="lw-note">{text}</p>'


def _save(
    line: str, version: ModelVersion, chosen: tuple[float, float], *, is_changed: bool
) -> None:
    with st.container(key="threshold-save", horizontal=True, vertical_alignment="bottom"):
        reason = st.text_input(
            "Reason",
            key=f"threshold-reason-{version.id}",
            max_chars=MAX_REASON_CHARS,
            placeholder="Why the thresholds change",
        )
        if st.button(
            "Save thresholds", key="save-thresholds", type="primary", disabled=not is_changed
        ):
            number = version.number
            change(
                lambda s: thresholds.set_thresholds(
                    s,
                    model_versions.get_model_version(s, lines.get_line(s, line), number),
                    *chosen,
                    actor=current_actor(),
                    reason=reason,
                ),
                f"Version {number}: review from {score_text(chosen[0])}, "
                f"reject from {score_text(chosen[1])}",
            )
            st.rerun()


def changes(history: Sequence[ThresholdChange], zone: tzinfo) -> str:
    """Who changed the thresholds, when, to what, and why."""
    if not history:
        return '<p class="lw-note">These are the thresholds of its training.</p>'
    rows = "".join(
        f"<tr><td>{one.changed_at.astimezone(zone):%Y-%m-%d %H:%M}"
        f"<small>{escape(one.changed_by)}</small></td>"
        f"<td>Review {score_text(one.former_review_threshold)} → "
        f"<b>{score_text(one.review_threshold)}</b></td>"
        f"<td>Reject {score_text(one.former_reject_threshold)} → "
        f"<b>{score_text(one.reject_threshold)}</b></td><td>{escape(one.reason) or '–'}</td></tr>"
        for one in history
    )
    return (
        '<div class="lw-panel"><h3>Changes of its thresholds</h3>'
        f'<table class="lw-table list">{rows}</table></div>'
    )
