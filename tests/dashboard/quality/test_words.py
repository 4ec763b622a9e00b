"""Rates, work and tables as text, worked by hand."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboard.quality import control, rates, table, words, workload
from dashboard.quality.control import Share, Subgroup
from dashboard.quality.workload import Workload
from db.inspections import VerdictCounts
from db.quality import ReviewedParts, Window
from db.review_work import DELAYS_READ, ReviewerWork, SecondLooks
from db.tables import ReviewQueue, SampleLabel, Verdict
from models.statistics.pareto import pareto

NOTHING_WAITS = dict.fromkeys(ReviewQueue, 0)
GOOD, DEFECT = SampleLabel.GOOD, SampleLabel.DEFECT


def audit(label: SampleLabel, count: int, probability: float = 0.01) -> ReviewedParts:
    """Audited parts."""
    return ReviewedParts(Verdict.PASS, label, None, probability, count)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.00"), (1, "100.00"), (0.041666, "4.17"), (0.000213, "0.0213"), (0.001, "0.10")],
)
def test_a_share_is_written_in_percent(share: float, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (48.2, "48 s"),
        (204, "3.4 min"),
        (720, "12 min"),
        (9360, "2.6 h"),
        (2e5, "2.3 d"),
    ],
)
def test_a_time_span_has_two_digits(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


def test_nouns_follow_their_number() -> None:
    assert [words.plural(n, "part") for n in (0, 1, 1204)] == ["0 parts", "1 part", "1,204 parts"]
    assert words.percent_of(1, 0) == "–"


def test_rates_stand_with_their_counts_and_intervals() -> None:
    # 20,000 passed; 5 escapes in 200 audits at one in a hundred stand for 500 of them. 500 defects
    # are flagged, so half of all 1,000 escape. 40 good of 400 reviewed rejects; 500 rejected: 50.
    reviewed = [
        audit(DEFECT, 5),
        audit(GOOD, 195),
        ReviewedParts(Verdict.REJECT, DEFECT, "dent", None, 360),
        ReviewedParts(Verdict.REJECT, GOOD, None, None, 40),
        ReviewedParts(Verdict.REVIEW, DEFECT, None, None, 50),
        ReviewedParts(Verdict.REVIEW, GOOD, None, None, 150),
    ]
    counts = VerdictCounts(20_000, 200, 500)
    waiting = NOTHING_WAITS | {ReviewQueue.FLAGGED: 70, ReviewQueue.AUDIT: 3}

    found = rates.rates_of(reviewed, counts, waiting, 0.01)
    html = rates.markup(found)

    assert found.rates.escape_rate.value == pytest.approx(0.5)
    assert "<b>50.00 %</b>" in html
    # 50 of (20,000 - 500 + 50 + 150) good ones
    assert f"<b>{words.percent(50 / 19_700)} %</b>" in html
    assert "5 escapes found in 200 blind audits of 20,000 passed parts" in html
    assert "410 defects confirmed in 600 reviewed of 700 flagged parts" in html
    assert "40 found good in 400 reviewed of 500 rejected parts" in html
    assert "about 500 are defective" in html
    assert "100 flagged parts have no answer that counts (70 waiting for review)" in html
    assert "Audits that wait: 3." in html


def test_without_audits_it_says_that_nothing_is_known_and_what_waits() -> None:
    counts = VerdictCounts(1000, 20, 10)

    some_wait = rates.rates_of([], counts, NOTHING_WAITS | {ReviewQueue.AUDIT: 12}, 0.01)
    none_wait = rates.rates_of([], counts, NOTHING_WAITS, 0.005)
    none_drawn = rates.rates_of([], counts, NOTHING_WAITS, 0.0)

    unknown = "Nothing is known of escapes: no passed part of this period was audited yet."
    assert rates.too_little(some_wait) == f"{unknown} 12 audits wait on the Review page."
    assert rates.too_little(none_wait) == (
        f"{unknown} No audit waits: choose a longer period, or raise the audit rate (0.5 %)."
    )
    assert "set its audit rate above 0" in str(rates.too_little(none_drawn))
    assert "<td><b>–</b></td><td>–</td>" in rates.markup(some_wait)


def test_few_audits_leave_the_rate_open_and_many_do_not() -> None:
    counts = VerdictCounts(50_000, 0, 500)
    flagged = ReviewedParts(Verdict.REJECT, DEFECT, None, None, 500)

    few = rates.rates_of([audit(GOOD, 30), flagged], counts, NOTHING_WAITS, 0.01)
    many = rates.rates_of([audit(GOOD, 9_000, 0.2), flagged], counts, NOTHING_WAITS, 0.2)

    assert "Too little to judge the escape rate: 30 audits leave it" in str(rates.too_little(few))
    assert rates.too_little(many) is None


def test_where_no_defect_was_found_only_a_bound_is_told() -> None:
    found = rates.rates_of([audit(GOOD, 300)], VerdictCounts(30_000), NOTHING_WAITS, 0.01)

    assert str(rates.too_little(found)).startswith("No defect was found in this period")


def test_a_period_in_which_nothing_passed_says_so() -> None:
    found = rates.rates_of([], VerdictCounts(0, 0, 3), NOTHING_WAITS, 0.01)

    assert "no part has passed" in str(rates.too_little(found))


def test_parts_reviewed_since_the_verdicts_were_counted_do_no_harm() -> None:
    reviewed = [audit(GOOD, 3), ReviewedParts(Verdict.REVIEW, GOOD, None, None, 2)]

    found = rates.rates_of(reviewed, VerdictCounts(2, 1), NOTHING_WAITS, 1.0)

    assert (found.passed, found.review.flagged) == (3, 2)


def work(**changes: object) -> Workload:
    """A day's work of two people."""
    people = [ReviewerWork("ana", 30, 60, 5, 2, 1), ReviewerWork("<ben>", 10, 20, 0, 0, 0)]
    values = {
        "people": people,
        "second_looks": SecondLooks(20, 5),
        "delays_s": [60.0, 120.0, 180.0, 240.0, 300.0],
        "unsettled": 2,
    }
    return Workload(**(values | changes))  # type: ignore[arg-type]


def test_work_is_told_by_person_and_in_all() -> None:
    html = workload.markup(work())

    assert "<th>ana</th><td>90</td><td>30</td><td>5</td><td>2</td><td>1</td>" in html
    assert "<th>&lt;ben&gt;</th>" in html
    assert "<th>All</th><td>120</td><td>40</td>" in html
    assert "median 3.0 min, half of them within 2.0 min to 4.0 min (n = 5)" in html
    # Wilson: 5 of 20.
    assert "they differ on 5: 25.00 % (11.19 to 46.87 %, 95 %)" in html
    assert "2 disagreements not settled yet." in html


def test_work_without_second_looks_claims_no_agreement() -> None:
    html = workload.markup(work(second_looks=SecondLooks(0, 0), delays_s=[], unsettled=0))

    assert "nothing is known of their agreement" in html
    assert "Time from verdict to answer: –." in html
    assert "Nobody reviewed" in workload.markup(work(people=[]))


def test_many_people_end_in_one_row() -> None:
    people = [ReviewerWork(f"p{n}", 1, 0, 0, 0, 0) for n in range(workload.NAMED + 3)]

    html = workload.markup(work(people=people, delays_s=[1.0] * DELAYS_READ))

    assert "<th>3 others</th><td>3</td>" in html
    assert "<th>All</th><td>11</td>" in html
    assert f"n = the latest {DELAYS_READ:,}" in html


def test_table_and_csv_hold_the_same_numbers() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    groups = [
        Subgroup(f"hour {n}", Window(noon + timedelta(hours=n), noon + timedelta(hours=n + 1)), one)
        for n, one in enumerate(
            [VerdictCounts(1190, 6, 4, 2), VerdictCounts(), VerdictCounts(1000, 100, 100)]
        )
    ]
    charted = control.chart_subgroups(groups, Share.FLAGGED, None)

    rows = table.period_rows(groups, charted, ZoneInfo("Europe/Berlin"))
    text = table.periods_csv(rows, Share.FLAGGED).decode("utf-8-sig")
    html = table.markup(rows, Share.FLAGGED)

    read = list(csv.DictReader(io.StringIO(text)))
    assert read[0] == {
        "period": "hour 0",
        "start": "2026-03-02T13:00:00+01:00",
        "end": "2026-03-02T14:00:00+01:00",
        "inspected": "1200",
        "passed": "1190",
        "review": "6",
        "rejected": "4",
        "not_inspected": "2",
        "yield_percent": "99.17",
        "flagged_percent": "0.83",
        # The centre is 210 / 2,400 = 8.75 %; 3 sqrt(0.0875 x 0.9125 / 1,200) = 2.45 %.
        "lower_limit_percent": "6.30",
        "upper_limit_percent": "11.20",
        "signal": "below the lower limit",
    }
    assert (read[1]["inspected"], read[1]["yield_percent"]) == ("0", "")
    assert read[2]["signal"] == "above the upper limit"
    assert "<th>Flagged, %</th>" in html
    assert (
        '<tr class="asks"><td>hour 0</td><td>1,200</td><td>1,190</td><td>6</td><td>4</td><td>2</td>'
        "<td>99.17</td><td>0.83</td><td>6.30</td><td>11.20</td><td>below the lower limit</td></tr>"
    ) in html
    assert html.index("hour 2") < html.index("hour 0")


def test_the_pareto_as_csv_runs_no_formula() -> None:
    text = table.pareto_csv(pareto({"dent": 3, '=HYPERLINK("x")': 1})).decode("utf-8-sig")

    assert list(csv.reader(io.StringIO(text))) == [
        ["defect_class", "count", "share_percent", "cumulative_percent"],
        ["dent", "3", "75.00", "75.00"],
        ['\'=HYPERLINK("x")', "1", "25.00", "100.00"],
    ]
