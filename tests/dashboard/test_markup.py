"""The pieces of HTML, worked by hand."""

from __future__ import annotations

import re

import pytest

from dashboard.markup import (
    duration,
    lamp,
    notice,
    plain_label,
    scale_ends,
    score_scale,
    score_text,
    warning,
)


def marker(html: str) -> float:
    """Where the score stands on a scale, in percent."""
    found = re.search(r'<i style="left:([\d.]+)%"', html)
    assert found is not None
    return float(found.group(1))


def test_the_scale_of_distances_runs_from_zero_to_twice_the_reject_threshold() -> None:
    # 3 of 0 .. 4 is 75 %; the thresholds stand at 1 / 4 and 2 / 4.
    html = score_scale(3.0, review=1.0, reject=2.0)

    assert marker(html) == 75.0
    assert "--from-review:25.0%;--from-reject:50.0%" in html


def test_the_scale_of_log_likelihoods_is_measured_by_the_thresholds_distance() -> None:
    # Thresholds 5 apart: the scale reaches 4 x 5 to both sides of the reject threshold.
    assert scale_ends(review=-15.0, reject=-10.0) == (-30.0, 10.0)


@pytest.mark.parametrize(("score", "place"), [(1e9, 98.5), (-1e9, 1.5)])
def test_a_score_off_the_scale_stays_at_its_end(score: float, place: float) -> None:
    assert marker(score_scale(score, review=1.0, reject=2.0)) == place


def test_equal_thresholds_below_zero_make_a_scale() -> None:
    assert marker(score_scale(-1.0, review=-1.0, reject=-1.0)) == 50.0


def test_a_lamp_says_its_verdict_in_a_word_and_by_its_class() -> None:
    assert lamp("REJECT") == '<span class="lw-lamp reject"><i></i>REJECT</span>'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (200000, "2 d")],
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("piece", [notice("<b>", "a & b"), warning("<b>a & b")])
def test_messages_are_escaped(piece: str) -> None:
    assert "<b>" not in piece
    assert "a &amp; b" in piece


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.0, "0.000"),
        (0.4, "0.4000"),
        (1.53, "1.530"),
        (-2.1, "-2.100"),
        (742.1288, "742.1"),
        (1318.758, "1319"),
        (123456.7, "123457"),
        (1.5e-9, "0.000000"),
    ],
)
def test_scores_of_every_size_are_readable(score: float, text: str) -> None:
    assert score_text(score) == text


@pytest.mark.parametrize("name", ["line-4", "left.cam_2", "Press"])
def test_a_usual_name_is_its_own_label(name: str) -> None:
    assert plain_label(name) == name


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("[go](x)", r"\[go\]\(x\)"),
        (":red[a] $b$ `c`", r"\:red\[a\] \$b\$ \`c\`"),
        ("http://a", "http\\:\u2060\\/\\/a"),
        ("www.a", "www\u2060\\.a"),
        ("anna@plant", r"anna\@plant"),
        ("Größe 5", "Größe 5"),
    ],
)
def test_a_label_is_shown_as_it_is(text: str, label: str) -> None:
    assert plain_label(text) == label
