"""The charts and what they say, worked by hand."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from dashboard.quality import control, drift, pareto, svg
from dashboard.quality.control import Control, Share, Subgroup
from dashboard.quality.drift import Reference, Scores
from db.inspections import VerdictCounts
from db.quality import ReviewedParts, Window
from db.tables import SampleLabel, Verdict

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def subgroups(*counts: tuple[int, int, int]) -> list[Subgroup]:
    """Hours from noon with so many parts passed, sent to review, and rejected."""
    return [
        Subgroup(
            f"Mon 02 Mar {12 + hour}:00",
            Window(NOON + timedelta(hours=hour), NOON + timedelta(hours=hour + 1)),
            VerdictCounts(*one),
        )
        for hour, one in enumerate(counts)
    ]


def chart(*counts: tuple[int, int, int], share: Share = Share.FLAGGED) -> Control:
    """The chart of such hours."""
    made = control.chart_subgroups(subgroups(*counts), share, None)
    assert made is not None
    return made


def elements(picture: str, kind: str) -> list[ET.Element]:
    """The elements of a class; the picture must be well-formed."""
    root = ET.fromstring(picture)  # noqa: S314 - our own
    return [element for element in root.iter() if element.get("class") == kind]


def titles(picture: str, kind: str) -> list[str]:
    """What pointing at the elements of a class says."""
    return ["".join(element.itertext()) for element in elements(picture, kind)]


def test_flagged_parts_are_those_sent_to_review_and_those_rejected() -> None:
    counts = VerdictCounts(90, 6, 4, 7)

    assert Share.FLAGGED.of(counts) == 10
    assert Share.REJECTED.of(counts) == 4


def test_a_point_above_its_limit_is_a_diamond_with_its_numbers() -> None:
    # 30 of 1,000 flagged in three hours, 110 in the fourth: centre 200 / 4,000 = 5 %,
    # limits 5 % +- 3 sqrt(0.05 x 0.95 / 1,000) = 5 % +- 2.07 %: 2.93 % to 7.07 %.
    found = chart((970, 20, 10), (970, 20, 10), (970, 30, 0), (890, 10, 100))

    assert [signal.index for signal in found.chart.signals] == [3]
    picture = control.picture(found)
    assert titles(picture, "outside") == [
        "Mon 02 Mar 15:00: 11.00 % of 1,000 parts, limits 2.93 to 7.07 %; above the upper limit"
    ]
    assert len(titles(picture, "point")) == 3
    assert "UCL 7.07 %" in picture
    words = control.findings(found, empty=2)
    assert "Out of control at 1 of 4 points" in words
    assert "Centre line 5.00 %, from these points" in words
    assert "n = 4,000 in all" in words
    assert "2 periods without parts left out." in words


def test_a_process_in_control_says_so() -> None:
    found = chart((970, 20, 10), (960, 30, 10))

    assert "In control: 2 points, none outside" in control.findings(found, empty=0)
    assert elements(control.picture(found), "outside") == []


def test_hours_without_parts_are_left_out_and_none_at_all_is_no_chart() -> None:
    assert len(chart((10, 0, 0), (0, 0, 0), (9, 1, 0)).subgroups) == 2
    assert control.chart_subgroups(subgroups((0, 0, 0)), Share.FLAGGED, None) is None


def test_limits_can_come_from_the_period_before() -> None:
    hours = subgroups((90, 10, 0))

    before = control.chart_subgroups(hours, Share.FLAGGED, VerdictCounts(980, 20, 0))
    without = control.chart_subgroups(hours, Share.FLAGGED, VerdictCounts())

    assert before is not None
    assert without is not None
    assert before.chart.centre == 0.02
    assert "from the period before" in control.findings(before, 0)
    assert not without.is_from_before
    assert without.chart.centre == 0.1


def test_subgroups_too_small_for_their_limits_are_told() -> None:
    # 4 of 200 rejected: 100 parts have 2 expected, fewer than 5.
    found = chart((98, 0, 2), (98, 0, 2), share=Share.REJECTED)

    assert "2 points would have fewer than 5 rejected parts" in control.findings(found, 0)


def test_only_the_latest_points_outside_are_named() -> None:
    counts = [(990, 10, 0)] * 12 + [(900, 100, 0)] * 12
    words = control.findings(chart(*counts), 0)

    assert "Out of control at 24 of 24 points" in words
    assert words.count("<li>") == control.NAMED + 1
    assert "and 18 earlier ones, in the table" in words


def test_no_defects_at_all_make_a_chart() -> None:
    picture = control.picture(chart((10, 0, 0), (20, 0, 0)))

    assert len(titles(picture, "point")) == 2
    assert "nan" not in picture


def parts(name: str | None, count: int, label: SampleLabel = SampleLabel.DEFECT) -> ReviewedParts:
    """Confirmed parts of a class."""
    return ReviewedParts(Verdict.REJECT, label, name, None, count)


def test_classes_are_ordered_and_add_up_on_one_axis() -> None:
    rows = pareto.rows_of(
        [parts("dent", 3), parts("scratch", 5), parts("dent", 1), parts(None, 1),
         parts(None, 40, SampleLabel.GOOD)]
    )  # fmt: skip

    assert [(row.name, row.count) for row in rows] == [
        ("scratch", 5), ("dent", 4), (pareto.UNNAMED, 1),
    ]  # fmt: skip
    picture = pareto.picture(rows)
    assert titles(picture, "bar")[1] == "dent: 4 defects, 40.00 %; with those above 90.00 %"
    width = [float(bar.get("width", 0)) for bar in elements(picture, "bar")]
    assert width[0] / width[1] == pytest.approx(5 / 4, rel=0.01)


def test_many_classes_end_in_one_bar_for_the_rest() -> None:
    rows = pareto.rows_of([parts(f"class {index:02}", 20 - index) for index in range(12)])

    bars = titles(pareto.picture(rows), "bar")

    assert len(bars) == pareto.DRAWN + 1
    # 20 + 19 + ... + 9 = 174; the last three of them are 11 + 10 + 9.
    assert bars[-1] == "all others: 30 defects, 17.24 %; with those above 100.00 %"


def test_names_from_data_are_escaped_and_stay_in_one_line() -> None:
    rows = pareto.rows_of([parts("<b>&\n\n# x " + "long " * 9, 2)])

    picture = pareto.picture(rows)

    assert "<b>" not in picture
    assert "\n" not in picture
    assert titles(picture, "bar")[0].startswith("<b>& # x long")


def scores(shift: float, reference: int = 1000, present: int = 1000) -> Scores:
    """Normal scores around 1, and so many shifted."""
    draw = np.random.default_rng(0).normal
    return Scores(draw(1, 0.2, reference), draw(1 + shift, 0.2, present), 1.6, 1.9, 3)


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [
        (0.0, "The scores are stable"),
        # A shift of d standard deviations has an index of about d squared: 0.16, and 1.
        (0.08, "The scores have moved a little"),
        (0.2, "The scores have drifted"),
    ],
)
def test_the_verdict_on_drift_is_in_words(shift: float, verdict: str) -> None:
    words = drift.findings(scores(shift), Reference.FIRST)

    assert f">{verdict}<" in words
    assert ("asks" in words) == (shift == 0.2)
    assert "n = 1,000" in words
    # 16.919 x (1 / 1,000 + 1 / 1,000)
    assert "below 0.034 in 95 of 100 windows" in words
    assert "Model version 3" in words


def test_too_few_scores_give_no_verdict_and_say_what_to_do() -> None:
    words = drift.findings(scores(1.0, 199, 5000), Reference.BEFORE)

    assert "Too few scores to tell" in words
    assert "199 scores" in words
    assert "PSI" not in words


def test_both_histograms_and_the_thresholds_are_drawn() -> None:
    picture = drift.picture(scores(0.1))

    assert len(elements(picture, "reference")) == len(elements(picture, "present")) == 1
    assert len(elements(picture, "threshold review")) == 1
    assert len(titles(picture, "reading")) == drift.BINS


def test_scores_that_are_all_the_same_are_drawn() -> None:
    same = Scores(np.ones(300), np.ones(300), 1.0, 1.0, 1)

    assert "nan" not in drift.picture(same)
    assert "stable" in drift.findings(same, Reference.FIRST)


@pytest.mark.parametrize(
    ("highest", "expected"),
    [(0.0, [0, 1]), (7.0, [0, 2, 4, 6, 8]), (0.1, [0, 0.05, 0.1]), (4.0, [0, 1, 2, 3, 4])],
)
def test_ticks_are_round_numbers(highest: float, expected: list[float]) -> None:
    assert svg.ticks(highest, 4) == pytest.approx(expected)


def test_ticks_between_are_written_with_the_digits_of_their_step() -> None:
    # A fifth of 0.44 is 0.088: the next round step is 0.1.
    marks = svg.ticks_between(-0.13, 0.31, 5)

    assert [words for _, words in marks] == ["-0.1", "0.0", "0.1", "0.2", "0.3"]


def test_a_chart_says_what_it_is() -> None:
    assert re.match(
        r'<svg class="lw-chart" viewBox="0 0 9 8" role="img" aria-label="x">', svg.chart(9, 8, "x")
    )
