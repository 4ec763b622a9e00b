"""People's work: answers, dismissals, disagreements, and how long parts wait."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from statistics import quantiles
from typing import TYPE_CHECKING

from dashboard.markup import count
from dashboard.quality.words import NONE, percent, plural, range_of, span
from db.review_work import DELAYS_READ
from models.statistics.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.review_work import ReviewerWork, SecondLooks

#: Rows of people; the rest is one.
NAMED = 8


@dataclass(frozen=True)
class Workload:
    """What people did in a period."""

    people: Sequence[ReviewerWork]
    second_looks: SecondLooks
    #: Seconds from verdict to first answer.
    delays_s: Sequence[float]
    #: Parts of the period on which people differ and nobody has settled it.
    unsettled: int


def markup(work: Workload) -> str:
    """A table of people, and what it comes to."""
    if not work.people:
        return '<p class="lw-verdict">Nobody reviewed in this period</p>'
    head = "".join(
        f"<th>{name}</th>"
        for name in ("Reviewer", "Reviewed", "Defect", "Unsure", "Dismissed", "Undone")
    )
    rows = [_row(escape(one.reviewer), _figures([one])) for one in work.people[:NAMED]]
    if len(work.people) > NAMED:
        rest = work.people[NAMED:]
        rows.append(_row(plural(len(rest), "other"), _figures(rest)))
    if len(work.people) > 1:
        rows.append(_row("All", _figures(work.people), "total"))
    return (
        f'<table class="lw-people"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        f"</table>{_sums(work)}"
    )


def _figures(people: Sequence[ReviewerWork]) -> list[int]:
    return [
        sum(getattr(one, name) for one in people)
        for name in ("reviewed", "defect", "unsure", "dismissed", "undone")
    ]


def _row(name: str, figures: Sequence[int], kind: str = "") -> str:
    cells = "".join(f"<td>{count(figure)}</td>" for figure in figures)
    return f'<tr class="{kind}"><th>{name}</th>{cells}</tr>'


def _sums(work: Workload) -> str:
    looks = work.second_looks
    if looks.count:
        interval = wilson_interval(looks.differing, looks.count)
        share = percent(looks.differing / looks.count)
        differ = (
            f"Of {plural(looks.count, 'part')} with two people's answers they differ on "
            f"{count(looks.differing)}: {share} % ({range_of(interval)}, 95 %)."
        )
    else:
        differ = "No part has two people's answers, so nothing is known of their agreement."
    if work.unsettled:
        differ += f" {plural(work.unsettled, 'disagreement')} not settled yet."
    return (
        f"<p>{_waiting_time(work.delays_s)}</p><p>{differ}</p>"
        '<p class="lw-fine">Counted by when the answer was given. Dismissed parts were cleared '
        "without a look and are not reviewed.</p>"
    )


def _waiting_time(delays_s: Sequence[float]) -> str:
    if len(delays_s) < 2:
        return f"Time from verdict to answer: {span(delays_s[0]) if delays_s else NONE}."
    low, middle, high = quantiles(delays_s, n=4, method="inclusive")
    latest = "the latest " if len(delays_s) == DELAYS_READ else ""
    return (
        f"Time from verdict to answer: median {span(middle)}, half of them within {span(low)} to "
        f"{span(high)} (n = {latest}{count(len(delays_s))})."
    )
