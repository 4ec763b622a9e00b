"""Simulated weeks of a line, to see how often the intervals of its escape rate cover the truth.

Run: python -m bench.audit_weeks [weeks]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from models.statistics.escape_rate import AuditSample, FlaggedReviews, LineRates, estimate_rates


@dataclass(frozen=True)
class Period:
    """A part of a week in which nothing changes."""

    #: Parts made.
    parts: int
    #: Chance that a part is defective.
    defective: float
    #: Chance that a defective part passes.
    escape: float
    #: Chance that a passed part is sampled for the audit.
    audit: float


@dataclass(frozen=True)
class Truth:
    """What a simulated week was made of."""

    #: Defective parts passed / all defective parts, as it happened.
    escape_rate: float
    #: Chance that a defective part passed, over the week.
    process_escape_rate: float
    #: Defective parts passed, as it happened.
    escapes: int
    #: Defective parts passed / parts passed, as it happened.
    passed_defective_share: float
    #: Chance that a good part is rejected.
    false_reject_rate: float
    #: Chance that a good part is flagged.
    false_flag_rate: float


# Chances that a good part gets REVIEW and REJECT, and the share of the defects caught that get
# REJECT.
GOOD_REVIEW, GOOD_REJECT, CAUGHT_REJECT = 0.02, 0.01, 0.7


def steady(parts: int, defective: float, escape: float, audit: float) -> tuple[Period, ...]:
    """A week in which nothing changes."""
    return (Period(parts, defective, escape, audit),)


def changing(
    parts: int, audits: tuple[float, float], escapes: tuple[float, float] = (0.2, 0.2)
) -> tuple[Period, ...]:
    """A week of two halves, 3 % defective."""
    return tuple(Period(parts // 2, 0.03, escapes[half], audits[half]) for half in (0, 1))


SETTINGS: dict[str, tuple[Period, ...]] = {
    "20k parts, 3 % defective, 20 % escape, 10 % audit": steady(20_000, 0.03, 0.20, 0.10),
    "20k parts, 3 % defective, 20 % escape, 5 % audit": steady(20_000, 0.03, 0.20, 0.05),
    "20k parts, 2 % defective, 10 % escape, 10 % audit": steady(20_000, 0.02, 0.10, 0.10),
    "20k parts, 1 % defective, 20 % escape, 10 % audit": steady(20_000, 0.01, 0.20, 0.10),
    "20k parts, 3 % defective, 10 % escape, 5 % audit": steady(20_000, 0.03, 0.10, 0.05),
    "100k parts, 3 % defective, 20 % escape, 8 % audit": steady(100_000, 0.03, 0.20, 0.08),
    "200k parts, 0.5 % defective, 10 % escape, 10 % audit": steady(200_000, 0.005, 0.10, 0.10),
    "audit 5 then 10 %, 20k parts, 10 % escape": changing(20_000, (0.05, 0.10), (0.1, 0.1)),
    "audit 5 then 10 %, 20k parts, 25 then 5 % escape": changing(
        20_000, (0.05, 0.10), (0.25, 0.05)
    ),
    "audit 5 then 10 %, 20k parts, 5 then 25 % escape": changing(
        20_000, (0.05, 0.10), (0.05, 0.25)
    ),
    "audit 2 then 10 %, 20k parts, 20 % escape": changing(20_000, (0.02, 0.10)),
    "audit 2 then 10 %, 40k parts, 20 % escape": changing(40_000, (0.02, 0.10)),
    "audit 1 then 10 %, 100k parts, 20 % escape": changing(100_000, (0.01, 0.10)),
}
#: So few escapes are caught that the interval covers nearly always.
SPARSE_SETTINGS: dict[str, tuple[Period, ...]] = {
    "20k parts, 2 % defective, 5 % escape, 10 % audit": steady(20_000, 0.02, 0.05, 0.10),
    "20k parts, 1 % defective, 5 % escape, 5 % audit": steady(20_000, 0.01, 0.05, 0.05),
    "20k parts, 0.5 % defective, 2 % escape, 1 % audit": steady(20_000, 0.005, 0.02, 0.01),
    "audit 1 then 10 %, 20k parts, 20 % escape": changing(20_000, (0.01, 0.10)),
}


def expected_caught(periods: tuple[Period, ...]) -> float:
    """How many escapes the audit of such a week finds on average."""
    return sum(one.parts * one.defective * one.escape * one.audit for one in periods)


def simulate_week(
    rng: np.random.Generator, periods: tuple[Period, ...], *, reviewed: float = 1.0
) -> tuple[FlaggedReviews, FlaggedReviews, AuditSample, Truth]:
    """Make a week of parts and what the reviewers see of it.

    Args:
        rng: the source of chance.
        periods: what the week consists of.
        reviewed: share of the flagged and of the audited that is reviewed so far.

    Returns:
        The parts with verdict REVIEW, those with REJECT, the audit, and the truth.
    """
    good_review = good_reject = caught = escaped = passed = 0
    probabilities, findings = [], []
    for one in periods:
        defects = int(rng.binomial(one.parts, one.defective))
        escapes = int(rng.binomial(defects, one.escape))
        to_review, to_reject, good = rng.multinomial(
            one.parts - defects, [GOOD_REVIEW, GOOD_REJECT, 1 - GOOD_REVIEW - GOOD_REJECT]
        )
        bad_seen = int(rng.binomial(escapes, one.audit * reviewed))
        good_seen = int(rng.binomial(good, one.audit * reviewed))
        probabilities.append(np.full(bad_seen + good_seen, one.audit))
        findings.append(np.arange(bad_seen + good_seen) < bad_seen)
        good_review, good_reject = good_review + int(to_review), good_reject + int(to_reject)
        caught, escaped = caught + defects - escapes, escaped + escapes
        passed += escapes + int(good)
    rejected = int(rng.binomial(caught, CAUGHT_REJECT))
    review = _review(rng, caught - rejected, good_review, reviewed)
    reject = _review(rng, rejected, good_reject, reviewed)
    audit = AuditSample(passed, np.concatenate(probabilities), np.concatenate(findings))
    return review, reject, audit, _truth(periods, passed, caught, escaped)


def simulate_coverage(
    seed: int, periods: tuple[Period, ...], weeks: int, *, reviewed: float = 1.0
) -> dict[str, float]:
    """In how many of the weeks each interval covers the truth: figure -> share."""
    rng = np.random.default_rng(seed)
    covered: dict[str, int] = {}
    for _ in range(weeks):
        review, reject, audit, truth = simulate_week(rng, periods, reviewed=reviewed)
        for name, is_covered in _covered(estimate_rates(review, reject, audit), truth).items():
            covered[name] = covered.get(name, 0) + is_covered
    return {name: count / weeks for name, count in covered.items()}


def _covered(rates: LineRates, truth: Truth) -> dict[str, bool]:
    return {
        "escape_rate": truth.escape_rate in rates.escape_rate.interval,
        "process_escape_rate": truth.process_escape_rate in rates.escape_rate.interval,
        "escapes": truth.escapes in rates.escapes.interval,
        "passed_defective_share": (
            truth.passed_defective_share in rates.passed_defective_share.interval
        ),
        "false_reject_rate": truth.false_reject_rate in rates.false_reject_rate.interval,
        "false_flag_rate": truth.false_flag_rate in rates.false_flag_rate.interval,
    }


def _review(rng: np.random.Generator, bad: int, good: int, share: float) -> FlaggedReviews:
    seen = int(rng.binomial(bad + good, share))
    bad_seen = int(rng.hypergeometric(bad, good, seen)) if seen else 0
    return FlaggedReviews(bad + good, seen, bad_seen)


def _truth(periods: tuple[Period, ...], passed: int, caught: int, escaped: int) -> Truth:
    defects = sum(one.parts * one.defective for one in periods)
    escapes = sum(one.parts * one.defective * one.escape for one in periods)
    return Truth(
        escape_rate=escaped / max(1, caught + escaped),
        process_escape_rate=escapes / defects,
        escapes=escaped,
        passed_defective_share=escaped / passed,
        false_reject_rate=GOOD_REJECT,
        false_flag_rate=GOOD_REVIEW + GOOD_REJECT,
    )


def main() -> None:
    """Print the coverage of every interval in every setting."""
    weeks = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for reviewed in (1.0, 0.6):
        print(f"{weeks} weeks a setting, {reviewed:.0%} of the flagged and the audited reviewed")
        for name, periods in {**SETTINGS, **SPARSE_SETTINGS}.items():
            shares = simulate_coverage(1, periods, weeks, reviewed=reviewed)
            figures = "  ".join(f"{figure} {share:.1%}" for figure, share in shares.items())
            print(
                f"{name} ({expected_caught(periods) * reviewed:.1f} caught): {figures}", flush=True
            )


if __name__ == "__main__":
    main()
