"""Beginning to teach a line: which line, which camera, how many frames, what is trained on them."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.actor import current_actor
from dashboard.changing import change
from db import lines, teachings
from models.detector import detector_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from db.tables import Camera

ALL_CAMERAS = "All cameras"
#: What the cameras' hosts accept as a name.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
USUAL_FRAMES = 200
#: The likeliest first, with what each takes or is for.
DETECTORS = {
    "patchcore": "patchcore, seconds",
    "bgad": "bgad, for defects later",
    "simplenet": "simplenet, a minute",
    "cutswap": "cutswap, minutes",
    "cutpaste": "cutpaste, minutes",
}


def show_new_line(*, is_first: bool) -> None:
    """The form for a line that is not there yet."""
    with st.container(key="teach-start"):
        st.html(
            f"<h3>{'Add the first line' if is_first else 'Add a line'}</h3>"
            "<p>Give it the name that its cameras have in <code>linewatch.toml</code>.</p>"
        )
        with st.form("new-line", border=False):
            name = st.text_input("Name of the new line", key="new-line-name", max_chars=64)
            pressed = st.form_submit_button("Add line", key="add-line", type="primary")
    if pressed and change(lambda s: _add(s, name.strip()), f"Line {name.strip()} is added"):
        st.session_state["teach-line"] = name.strip()
    if pressed:
        st.rerun()


def _add(writes: Session, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(
            f"the name {name!r} cannot be used: 1 to 64 letters, digits, dots, dashes and "
            "underscores, a letter or digit first"
        )
    lines.add_line(writes, name, actor=current_actor())


def show(line: str, cameras: Sequence[Camera], *, has_model: bool) -> None:
    """The form that begins to collect."""
    with st.container(key="teach-start"):
        st.html(_advice(line, has_model=has_model))
        _form(line, cameras)


def _advice(line: str, *, has_model: bool) -> str:
    """What to see to before the first frame is kept."""
    goes_on = " The line's model goes on scoring meanwhile." if has_model else ""
    return (
        f"<h3>Collect good frames of {escape(line)}</h3>"
        "<p>Let only good parts pass in front of the camera. Its next frames are kept as good, and "
        f"you look them over before anything is trained.{goes_on}</p>"
    )


def _form(line: str, cameras: Sequence[Camera]) -> None:
    with st.form("start-teaching", border=False):
        first, second, third = st.columns(3, gap="medium")
        with first:
            camera = st.selectbox(
                "Camera", [ALL_CAMERAS, *(one.name for one in cameras)], key="teach-camera",
                filter_mode=None,
            )  # fmt: skip
        with second:
            frames = st.number_input(
                "Frames to collect", teachings.MIN_FRAMES, teachings.MAX_FRAMES, USUAL_FRAMES, 10,
                key="teach-frames",
            )  # fmt: skip
        with third:
            detector = st.selectbox(
                "Detector", [name for name in DETECTORS if name in detector_names()], 0,
                DETECTORS.__getitem__, key="teach-detector", filter_mode=None,
            )  # fmt: skip
        pressed = st.form_submit_button("Start collecting", key="start-teaching", type="primary")
    if pressed:
        change(
            lambda s: teachings.start_teaching(
                s,
                lines.get_line(s, line),
                frames=int(frames),
                camera=None if camera == ALL_CAMERAS else camera,
                detector=detector,
                actor=current_actor(),
            ),
            f"The next {int(frames)} frames are collected",
        )
        st.rerun()
