"""The gate report's words and bars."""

from __future__ import annotations

import pytest

from dashboard.versions.gate import interval_bar, report


def test_a_version_never_compared_says_so() -> None:
    assert "never compared" in report(None, 1, has_passed=None)


def test_a_comparison_that_was_not_possible_gives_its_reason_escaped() -> None:
    gate = {
        "reasons": ["the golden set has 2 <good> parts"],
        "golden": {"good": 2, "defects": 0},
        "champion": None,
        "candidate": None,
        "paired": None,
    }

    html = report(gate, 1, has_passed=None)

    assert "no verdict" in html
    assert "The golden set has 2 &lt;good&gt; parts" in html
    assert "<table" not in html


def test_without_golden_frames_there_is_nothing_to_tabulate() -> None:
    gate = {
        "reasons": ["the golden set has 0 good parts"],
        "golden": {"good": 0, "defects": 0},
        "champion": None,
        "candidate": {"number": None},
    }

    assert "<table" not in report(gate, 1, has_passed=None)


def test_a_first_model_stands_alone_and_unknown_figures_are_dashes() -> None:
    unknown = {"count": 0, "of": 0, "rate": None, "lower": None, "upper": None}
    known = {"count": 1, "of": 40, "rate": 0.025, "lower": 0.001, "upper": 0.132}
    candidate = {
        "number": None,
        "escapes": unknown,
        "false_rejects": known,
        "flagged_good": known,
        "classes": {},
        "image_auroc": None,
        "latency_ms_p50": 12.34,
    }
    gate = {"golden": {"good": 40, "defects": 0}, "champion": None, "candidate": candidate}

    html = report(gate, 7, has_passed=True)

    assert "Champion" not in html
    assert "Candidate <small>version 7</small>" in html
    assert "<td>–</td>" in html
    assert "2.5 %" in html
    assert "12.3 ms" in html


@pytest.mark.parametrize(
    ("top", "place"), [(0.5, "--from:20.0%;--to:80.0%;--at:40.0%"), (0.0, "--at:20.0%")]
)
def test_a_bar_shows_the_interval_on_its_scale(top: float, place: str) -> None:
    assert place in interval_bar(0.2, 0.1, 0.4, top)
