"""False rejects and escapes: what reviews and the blind audit say, and when they say too little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dashboard.markup import count, warning
from dashboard.quality.words import NONE, estimated, percent, plural, range_of
from db.tables import ReviewQueue, SampleLabel, Verdict
from models.statistics.escape_rate import (
    AuditSample,
    FlaggedReviews,
    LineRates,
    estimate_rates,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.inspections import VerdictCounts
    from db.quality import ReviewedParts
    from models.statistics.escape_rate import Estimate

#: An interval of the escape rate wider than this says too little to act on.
WIDE = 0.2


@dataclass(frozen=True)
class Rates:
    """The estimates and what they stand on."""

    rates: LineRates
    review: FlaggedReviews
    reject: FlaggedReviews
    passed: int
    audited: int
    #: Audited parts that wait for their answer.
    audits_waiting: int
    #: Flagged parts that do.
    flagged_waiting: int
    #: The line's share of PASS frames that is drawn.
    audit_rate: float


def rates_of(
    reviewed: Sequence[ReviewedParts],
    counts: VerdictCounts,
    waiting: Mapping[ReviewQueue, int],
    audit_rate: float,
) -> Rates:
    """Estimate the rates of a period."""
    audit = [
        parts
        for parts in reviewed
        if parts.verdict is Verdict.PASS and parts.audit_probability is not None
    ]
    sizes = [parts.count for parts in audit]
    audited = sum(sizes)
    # Reviews and verdicts are read one after the other, and parts are reviewed meanwhile.
    passed = max(counts.passed, audited)
    review = _flagged(reviewed, Verdict.REVIEW, counts.review)
    reject = _flagged(reviewed, Verdict.REJECT, counts.rejected)
    sample = AuditSample(
        passed,
        np.repeat(np.array([parts.audit_probability for parts in audit], np.float64), sizes),
        np.repeat(np.array([parts.label is SampleLabel.DEFECT for parts in audit], bool), sizes),
    )
    return Rates(
        estimate_rates(review, reject, sample),
        review,
        reject,
        passed,
        audited,
        waiting[ReviewQueue.AUDIT],
        waiting[ReviewQueue.FLAGGED],
        audit_rate,
    )


def markup(rates: Rates) -> str:
    """The rates with their intervals and counts, and what to do where they say too little."""
    found = rates.rates
    flagged = rates.review.flagged + rates.reject.flagged
    reviewed = rates.review.reviewed + rates.reject.reviewed
    defective = rates.review.defective + rates.reject.defective
    audit = (
        f"{plural(found.caught_escapes, 'escape')} found in {plural(rates.audited, 'blind audit')} "
        f"of {plural(rates.passed, 'passed part')}"
    )
    flags = (
        f"{plural(defective, 'defect')} confirmed in {count(reviewed)} reviewed of "
        f"{plural(flagged, 'flagged part')}"
    )
    rejects = (
        f"{count(rates.reject.reviewed - rates.reject.defective)} found good in "
        f"{count(rates.reject.reviewed)} reviewed of "
        f"{plural(rates.reject.flagged, 'rejected part')}"
    )
    good = f"{count(reviewed - defective)} found good in {count(reviewed)} reviewed of "
    rows = [
        ("Escape rate", "defective parts passed / all defective parts", found.escape_rate,
         f"{audit}; {flags}"),
        ("Defective among passed", "defective parts passed / all parts passed",
         found.passed_defective_share, audit),
        ("False rejects", "good parts rejected / all good parts", found.false_reject_rate, rejects),
        ("False flags", "good parts sent to review or rejected / all good parts",
         found.false_flag_rate, good + plural(flagged, "flagged part")),
    ]  # fmt: skip
    body = "".join(_row(*row) for row in rows)
    table = (
        '<table class="lw-rates"><thead><tr><th>Rate</th><th>Estimate</th><th>95 % interval</th>'
        f"</tr></thead><tbody>{body}</tbody></table>"
    )
    advice = too_little(rates)
    return f"{warning(advice) if advice else ''}{table}{_these_parts(rates)}"


def too_little(rates: Rates) -> str | None:
    """Why nothing can be said of escapes yet, and what to do; None if enough is known."""
    interval = rates.rates.escape_rate.interval
    if rates.audited and interval.upper - interval.lower <= WIDE:
        return None
    if not rates.passed:
        return "Too little to say anything of escapes: no part has passed in this period."
    if rates.audited and rates.rates.escape_rate.value is None and not _defective(rates):
        most = percent(rates.rates.passed_defective_share.interval.upper)
        return (
            "No defect was found in this period, so there is no share of them to tell; of the "
            f"passed parts at most {most} % are defective (95 %)."
        )
    if not rates.audited:
        known = "Nothing is known of escapes: no passed part of this period was audited yet."
    else:
        known = (
            f"Too little to judge the escape rate: {plural(rates.audited, 'audit')} "
            f"{'leaves' if rates.audited == 1 else 'leave'} it anywhere from "
            f"{range_of(interval)}."
        )
    if rates.audits_waiting:
        waits = "waits" if rates.audits_waiting == 1 else "wait"
        return f"{known} {plural(rates.audits_waiting, 'audit')} {waits} on the Review page."
    if rates.audit_rate <= 0:
        return f"{known} The line draws no audits: set its audit rate above 0."
    drawn = f"{100 * rates.audit_rate:g} %"
    return f"{known} No audit waits: choose a longer period, or raise the audit rate ({drawn})."


def _defective(rates: Rates) -> int:
    return rates.review.defective + rates.reject.defective + rates.rates.caught_escapes


def _flagged(reviewed: Sequence[ReviewedParts], verdict: Verdict, flagged: int) -> FlaggedReviews:
    of_verdict = [parts for parts in reviewed if parts.verdict is verdict]
    done = sum(parts.count for parts in of_verdict)
    defective = sum(parts.count for parts in of_verdict if parts.label is SampleLabel.DEFECT)
    return FlaggedReviews(max(flagged, done), done, defective)


def _row(name: str, meaning: str, estimate: Estimate, counts: str) -> str:
    interval = NONE if estimate.value is None else range_of(estimate.interval)
    return (
        f"<tr><th>{name}<small>{meaning}</small></th><td><b>{estimated(estimate)}</b></td>"
        f"<td>{interval}</td></tr><tr><td colspan=3>{counts}</td></tr>"
    )


def _these_parts(rates: Rates) -> str:
    """How many escapes there are in this very period, and what still waits."""
    escapes = rates.rates.escapes
    notes = []
    if escapes.value is not None:
        low, high = round(escapes.interval.lower), round(escapes.interval.upper)
        notes.append(
            f"Among the {plural(rates.passed, 'passed part')} about {count(round(escapes.value))} "
            f"are defective ({count(low)} to {count(high)}, 95 %)."
        )
    open_flags = sum(one.flagged - one.reviewed for one in (rates.review, rates.reject))
    if open_flags:
        has, are = ("has", "is") if open_flags == 1 else ("have", "are")
        notes.append(
            f"{plural(open_flags, 'flagged part')} {has} no answer that counts "
            f"({count(rates.flagged_waiting)} waiting for review), and {are} taken to be like the "
            "reviewed ones."
        )
    if rates.audits_waiting:
        notes.append(f"Audits that wait: {count(rates.audits_waiting)}.")
    return f'<p class="lw-fine">{" ".join(notes)}</p>' if notes else ""
