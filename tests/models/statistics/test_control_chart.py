"""The p-chart, worked by hand, and how often its rules fire on a process that does not change."""

from __future__ import annotations

import numpy as np
import pytest

from models.statistics.control_chart import Signal, p_chart

ALL_RULES = (
    "beyond_3_sigma",
    "two_of_three_beyond_2_sigma",
    "four_of_five_beyond_1_sigma",
    "eight_in_a_row",
)


def test_limits_follow_each_subgroups_size() -> None:
    # Centre 20 / 200 = 0.1; sigma sqrt(0.09 / n): 0.03 for 100, 0.06 for 25, 0.0346 for 75.
    chart = p_chart([100, 25, 75], [9, 3, 8])

    assert chart.centre == pytest.approx(0.1)
    assert chart.shares == pytest.approx([0.09, 0.12, 8 / 75])
    assert chart.upper == pytest.approx([0.19, 0.28, 0.1 + 3 * (0.09 / 75) ** 0.5])
    assert chart.lower == pytest.approx([0.01, 0, 0])  # 0.1 - 0.18 and 0.1 - 0.104 are clipped
    assert chart.signals == ()


def test_a_point_beyond_three_sigma_is_named() -> None:
    # With centre 0.1 and n = 100 the limits are 0.01 and 0.19; a point on a limit is within.
    chart = p_chart([100] * 4, [19, 20, 1, 0], centre=0.1)

    assert chart.signals == (
        Signal(1, "beyond_3_sigma", "above"),
        Signal(3, "beyond_3_sigma", "below"),
    )
    assert chart.out_of_control == [1, 3]


def test_eight_in_a_row_fires_at_the_eighth_and_while_the_run_lasts() -> None:
    chart = p_chart([100] * 11, [9, *[11] * 9, 10], centre=0.1)

    assert chart.signals == (
        Signal(8, "eight_in_a_row", "above"),
        Signal(9, "eight_in_a_row", "above"),
    )


def test_a_point_on_the_centre_line_ends_a_run() -> None:
    assert p_chart([100] * 9, [11] * 7 + [10, 11], centre=0.1).signals == ()


def test_the_middle_rules_count_one_side_only() -> None:
    # One sigma is 3 of 100: 17 is beyond two above, 3 beyond two below, 14 beyond one.
    two = p_chart([100] * 4, [17, 3, 17, 10], centre=0.1, rules=["two_of_three_beyond_2_sigma"])
    four = p_chart(
        [100] * 5, [14, 14, 9, 14, 14], centre=0.1, rules=["four_of_five_beyond_1_sigma"]
    )

    assert two.signals == (Signal(2, "two_of_three_beyond_2_sigma", "above"),)
    assert four.signals == (Signal(4, "four_of_five_beyond_1_sigma", "above"),)


@pytest.mark.parametrize(
    ("rules", "average_run"), [(ALL_RULES, 91.75), (("beyond_3_sigma", "eight_in_a_row"), 152.7)]
)
def test_rules_fire_as_rarely_as_published(rules: tuple[str, ...], average_run: float) -> None:
    # Champ and Woodall's average run lengths are for a normal variable, so subgroups are large.
    rng = np.random.default_rng(0)
    n, size, runs = 1_000_000, 2500, []
    for _ in range(400):
        chart = p_chart([n] * size, rng.binomial(n, 0.3, size), centre=0.3, rules=rules)
        runs.append(chart.signals[0].index + 1)

    assert np.mean(runs) == pytest.approx(average_run, rel=0.15)


@pytest.mark.parametrize("defectives", [[0, 0], [50, 50]])
def test_a_share_of_none_or_all_signals_nothing(defectives: list[int]) -> None:
    chart = p_chart([50, 50], defectives, rules=ALL_RULES)

    assert chart.signals == ()
    assert list(chart.lower) == list(chart.upper) == [chart.centre] * 2


def test_what_cannot_be_charted_is_refused() -> None:
    with pytest.raises(ValueError, match="each with a part"):
        p_chart([10, 0], [1, 0])
    with pytest.raises(ValueError, match="each with a part"):
        p_chart([], [])
    with pytest.raises(ValueError, match="more defectives"):
        p_chart([10], [11])
    with pytest.raises(ValueError, match="unknown rules"):
        p_chart([10], [1], rules=["nelson"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="centre is 2"):
        p_chart([10], [1], centre=2)
