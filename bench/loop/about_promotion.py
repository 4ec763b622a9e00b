"""The section's part on promotion under load."""

from __future__ import annotations

from typing import Any

from bench.comparison import markdown


def promotion_part(found: dict[str, Any] | None) -> list[str]:
    """What became of every frame."""
    if found is None:
        return []
    delays = found["switch_s"]
    by_version = ", ".join(f"{n} by version {v}" for v, n in sorted(found["by_version"].items()))
    outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(found["outcomes"].items()))
    rows = {
        "offered": f"{found['offered']:,} frames, {found['offered'] / found['seconds']:.1f}/s",
        "what the cameras did with them": outcomes,
        "scored": f"{sum(found['by_version'].values()):,} ({by_version})",
        "carried, first to last verdict": f"{found['carried']:.1f} frames/s",
        "promotions, rollbacks": f"{found['promotions']}, {found['rollbacks']}",
        "dropped by policy, counted": f"{found['dropped']:,}",
        "uninspected, quarantined": f"{found['uninspected']:,}, {found['quarantined']:,}",
        "lost": f"{found['lost']:,} (wanted: 0)",
        "scored twice under one version": f"{found['twice_under_one']:,} (wanted: 0)",
        "scored under both versions": f"{found['under_both']:,}",
        "score not that of the version in its row": f"{found['foreign_score']:,} (wanted: 0)",
        "verdict not by that version's thresholds": f"{found['foreign_verdict']:,} (wanted: 0)",
        "commits, those of two versions": f"{found['commits']:,}, {found['mixed_commits']:,}",
        "last verdict of the version before, after a switch": (
            f"at most {max(delays, default=0):.2f} s later"
        ),
        "capture to committed verdict": (
            f"p50 {found['latency_p50_ms']:.0f} ms, p99 {found['latency_p99_ms']:.0f} ms"
        ),
    }
    return [
        "### Promotion under load",
        f"{found['rate']:.0f} frames/s for {found['seconds']:.0f} s, half of them from a camera "
        "that waits where the stream is full, half from one that drops the oldest; JPEGs of "
        "128 x 128 pixels of elpv-mono; two versions of PatchCore, fast preset at 128 px, seeds "
        f"{found['seed']} and {found['seed'] + 1}, two scoring workers of one thread. The "
        "candidate passes the gate and its shadow under the load, is promoted, rolled back and "
        "promoted again in turns. Every row's score is compared with what each model gives that "
        f"picture ({found['indistinct']:,} rows are of pictures that both score alike).",
        markdown(["figure", "value"], [[k, v] for k, v in rows.items()]),
    ]
