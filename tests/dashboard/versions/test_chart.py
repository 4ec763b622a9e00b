"""The histogram of scores."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from dashboard.versions.chart import BINS, WIDTH, Axis, axis_of, histogram, legend

NONE = np.array([], dtype=np.float64)


def svg(image: str) -> str:
    return b64decode(image.partition("base64,")[2].partition('"')[0]).decode()


def test_the_axis_holds_the_thresholds_with_room() -> None:
    axis = axis_of(NONE, (1.0, 2.0))

    assert axis.low <= 0.75
    assert axis.high >= 2.5


def test_distances_begin_at_zero_and_log_likelihoods_do_not() -> None:
    distances = axis_of(np.linspace(0.01, 3, 500), (1.0, 2.0))
    likelihoods = axis_of(np.linspace(-40, -10, 500), (-20.0, -15.0))

    assert distances.low == 0
    assert likelihoods.low < -39
    assert likelihoods.high > -15


def test_a_part_far_off_does_not_squeeze_the_others() -> None:
    scores = np.append(np.linspace(0, 3, 200), 1e6)

    axis = axis_of(scores, (1.0, 2.0))

    assert axis.high < 10
    assert axis.bins(scores)[-1] >= 1
    assert axis.bins(scores).sum() == scores.size


def test_equal_thresholds_still_make_an_axis() -> None:
    axis = axis_of(NONE, (0.0, 0.0))

    assert axis.low < axis.high


@pytest.mark.parametrize(("score", "x"), [(0.0, 0), (1.0, WIDTH / 2), (2.0, WIDTH), (9.0, WIDTH)])
def test_a_score_has_its_place(score: float, x: float) -> None:
    assert Axis(0.0, 2.0).place(score) == x


def test_the_chart_says_what_it_shows() -> None:
    image = histogram(
        Axis(0.0, 4.0), np.array([0.5, 0.6]), np.array([3.0]), np.linspace(0, 4, 100),
        review=1.0, reject=2.0,
    )  # fmt: skip

    assert 'alt="2 good and 1 defective parts judged by people, and the newest 100 parts' in image
    drawn = svg(image)
    assert "Review 1.000" in drawn
    assert "Reject 2.000" in drawn
    assert drawn.count('<path class="recent"') == 1
    recent = drawn.partition('class="recent" d="')[2].partition('"')[0]
    assert recent.count("M") == BINS


def test_without_scores_there_is_an_empty_chart() -> None:
    drawn = svg(histogram(Axis(0.0, 4.0), NONE, NONE, NONE, review=1.0, reject=2.0))

    assert '<path class="good"' not in drawn


def test_the_legend_counts() -> None:
    assert "1,200 judged good" in legend(1200, 3, 2000)
