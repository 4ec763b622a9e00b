"""Cancelling a teaching, which is asked for once more: its frames are thrown away."""

from __future__ import annotations

from dashboard.actor import current_actor
from dashboard.asking import Question, ask
from dashboard.markup import count
from db import lines, teachings


def ask_to_cancel(line: str, frames: int) -> None:
    """The dialog."""
    what = "The frame" if frames == 1 else f"The {count(frames)} frames"
    goes = "is" if frames == 1 else "are"
    ask(
        Question(
            title="Cancel teaching?",
            text=f"<p>{what} collected so far {goes} thrown away. The line stays as it is.</p>",
            confirm="Cancel teaching",
            keep="Keep on",
            make=lambda s: teachings.cancel(
                s, teachings.require_open(s, lines.get_line(s, line)), actor=current_actor()
            ),
            success="The teaching is cancelled",
        )
    )
