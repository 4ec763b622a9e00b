"""The audit's estimate of the escape rate over simulated weeks; `bench.audit_weeks` simulates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.audit_weeks import SETTINGS, SPARSE_SETTINGS, expected_caught, simulate_coverage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.loop.kept import Kept

#: What was asked for, and enough to tell 95 from 93 %.
WEEKS = (200, 2000)
#: Share of the flagged and of the audited that is reviewed.
REVIEWED = (1.0, 0.6)
SEED = 1


def do(kept: Kept, weeks: Sequence[int], tell: Callable[[str], None]) -> None:
    """Simulate every setting that has no result yet."""
    for count in weeks:
        result: dict[str, Any] = kept.find(name_of(count)) or {}
        for reviewed in REVIEWED:
            for name, periods in {**SETTINGS, **SPARSE_SETTINGS}.items():
                key = f"{name}; {reviewed:.0%} reviewed"
                if key in result:
                    continue
                tell(f"{count} weeks of {key}")
                result[key] = {
                    "caught": expected_caught(periods) * reviewed,
                    "covered": simulate_coverage(SEED, periods, count, reviewed=reviewed),
                }
                kept.put(name_of(count), result)


def name_of(weeks: int) -> str:
    """What the result is called."""
    return f"audit-{weeks}"
