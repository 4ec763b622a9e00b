"""Models: a line's versions, their gate and shadow, trainings, thresholds and settings.

Everybody may look; the buttons are the engineers'.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import may
from dashboard.changing import show_told
from dashboard.choosing import choose_line
from dashboard.database import explained, session
from dashboard.markup import count, notice, sentence, warning
from dashboard.versions import (
    actions,
    classes_form,
    gate,
    settings_form,
    shadow,
    table,
    thresholds,
    training,
)
from dashboard.viewer import zone
from db import few_shot, lines, model_overview, model_versions, retrainings, snapshots
from db.defect_classes import list_classes
from db.line_settings import LineSettings
from db.model_overview import VersionState
from db.shadow import count_frames
from db.tables import ModelVersion, Role
from db.thresholds import threshold_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from dashboard.versions.thresholds import Known
    from db.model_overview import VersionOverview
    from db.tables import Line, Retraining, ThresholdChange

LATEST_TRAININGS = 6


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is shown of the version that was chosen."""

    overview: VersionOverview
    #: What keeps it from being promoted; None if nothing does.
    why_not: str | None
    #: What keeps it from ever scoring, where its state does not say so.
    obstacle: str | None
    #: Frames it has scored in the shadow.
    shadow_seen: int
    known: Known
    history: Sequence[ThresholdChange]


@dataclass(frozen=True, slots=True)
class LineModels:
    """Everything the page shows of a line, read in one go."""

    line: Line
    settings: LineSettings
    active: ModelVersion | None
    overviews: Sequence[VersionOverview]
    trainings: Sequence[Retraining]
    #: The defect classes it offers.
    classes: Sequence[str]
    #: Confirmed defects that no snapshot has yet.
    waiting: int
    #: What is missing before a retraining can run.
    missing: Sequence[str]
    chosen: Chosen | None


def page() -> None:
    """The whole page."""
    with explained():
        with session() as reads:
            line = choose_line(lines.list_lines(reads), "models-line")
            if line is None:
                return
            view = _read(reads, line)
        show_told()
        _header(view)
        _versions(view)
        if view.chosen is not None:
            _version(view, view.chosen)
        _foot(view)


def _read(reads: Session, line: Line) -> LineModels:
    overviews = model_overview.list_overviews(reads, line)
    active = None
    if line.active_model_version_id is not None:
        active = reads.get(ModelVersion, line.active_model_version_id)
    defects = few_shot.few_shot_set(reads, line.id)
    return LineModels(
        line=line,
        settings=LineSettings.of(line),
        active=active,
        overviews=overviews,
        trainings=retrainings.list_retrainings(reads, line.id, limit=LATEST_TRAININGS),
        classes=[known.name for known in list_classes(reads, line.id)],
        waiting=few_shot.waiting_defects(reads, line.id, defects),
        missing=snapshots.missing_for_retraining(reads, line, defects),
        chosen=_chosen(reads, line, overviews),
    )


def _chosen(reads: Session, line: Line, overviews: Sequence[VersionOverview]) -> Chosen | None:
    """The version that was pressed; at first the one that asks for a decision, or scores."""
    if not overviews:
        return None
    by_number = {one.version.number: one for one in overviews}
    wanted = st.session_state.get(_key(line))
    overview = by_number[wanted] if wanted in by_number else _likeliest(overviews)
    version = overview.version
    is_shadow = overview.state is VersionState.SHADOW
    is_told = overview.state in (VersionState.FAILED_GATE, VersionState.RETIRED)
    return Chosen(
        overview=overview,
        why_not=model_versions.why_not_promotable(reads, line, version),
        obstacle=None if is_told else model_versions.why_not_activatable(line, version),
        shadow_seen=count_frames(reads, version.id) if is_shadow else 0,
        known=thresholds.read(reads, version),
        history=threshold_history(reads, version),
    )


def _likeliest(overviews: Sequence[VersionOverview]) -> VersionOverview:
    for state in (VersionState.CANDIDATE, VersionState.SHADOW, VersionState.ACTIVE):
        for one in overviews:
            if one.state is state:
                return one
    return overviews[0]


def _key(line: Line) -> str:
    return f"chosen-version-{line.id}"


def _header(view: LineModels) -> None:
    active = view.active
    scores = f"Version {active.number}, {active.detector}" if active else "No model"
    beside = next((o for o in view.overviews if o.state is VersionState.SHADOW), None)
    figures = [
        (scores, "scores the line"),
        (f"Version {beside.version.number}" if beside else "–", "in the shadow"),
        (count(view.waiting), "new defects to learn from"),
    ]
    cells = "".join(
        f'<div class="lw-figure"><b>{escape(value)}</b><span>{name}</span></div>'
        for value, name in figures
    )
    st.html(f'<div class="lw-line"><h2>{escape(view.line.name)}</h2>{cells}</div>')


def _versions(view: LineModels) -> None:
    left, right = st.columns([2, 1], gap="medium")
    with left, st.container(key="versions"):
        if view.chosen is None:
            text = "Teach the line, or register a model with `linewatch model add`."
            st.html(notice("No model yet", text))
        else:
            key = _key(view.line)
            table.show(
                view.overviews,
                view.chosen.overview.version.number,
                lambda number: st.session_state.update({key: number}),
                zone(),
            )
    with right:
        training.show_running(view.line.name, view.line.id, view.missing)
        st.html(training.latest(view.trainings, zone()))


def _version(view: LineModels, chosen: Chosen) -> None:
    version, state = chosen.overview.version, chosen.overview.state
    with st.container(key="version-head", horizontal=True, vertical_alignment="center"):
        st.html(
            f'<div class="lw-title"><h2>Version {version.number}</h2>{table.chip(state)}'
            f"<span>{escape(version.detector)} · {escape(version.backbone)}</span></div>"
        )
        if may(Role.ENGINEER):
            actions.show(
                actions.of(view.line, chosen.overview, view.active, chosen.why_not), version.number
            )
    if chosen.obstacle is not None:
        st.html(warning(sentence(chosen.obstacle)))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.html(gate.report(version.gate, version.number, has_passed=version.has_passed_gate))
    with right:
        st.html(_shadow(view, chosen))
    st.html('<h3 class="lw-section">Thresholds</h3>')
    thresholds.show(view.line.name, version, chosen.known, chosen.history, zone())


def _shadow(view: LineModels, chosen: Chosen) -> str:
    if chosen.overview.state is VersionState.SHADOW:
        return shadow.progress(chosen.shadow_seen, view.settings.shadow_frames)
    return shadow.result(chosen.overview.version.shadow)


def _foot(view: LineModels) -> None:
    if may(Role.ENGINEER):
        with st.expander("Settings of the line", key="settings"):
            classes_form.show(view.line.name, view.classes)
            settings_form.show(view.line.name, view.settings)
    else:
        st.html(f'<p class="lw-note">{settings_form.summary(view.settings)}</p>')


if __name__ == "__main__":
    page()
