"""What is counted of every batch, for the metrics: added up in Redis with its acknowledgement.

There the sums of all workers of a line are one, outlive each of them, and need no port of their
own. A batch that is done again after a crash is acknowledged, and so counted, once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

from db.tables import Verdict
from workers.recording import verdict_of
from workers.teaching import FirstFrames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.active_models import ActiveModel
    from workers.recording import Batch

#: Upper ends of the latency histogram's buckets, in ms; the last one has none.
LATENCY_BUCKETS_MS = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000)
#: Of frames scored in one go.
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
BEYOND = "inf"


def tallies_of(
    batch: Batch, latencies_ms: Sequence[float], taker: ActiveModel | FirstFrames
) -> dict[str, int]:
    """What this batch adds, as `kind:value`."""
    found: Counter[str] = Counter()
    if batch.uninspected:
        found[f"verdict:{Verdict.UNINSPECTED}"] = len(batch.uninspected)
    for quarantined in batch.quarantined:
        found[f"quarantined:{quarantined.refusal.reason}"] += 1
    if batch.judged and not isinstance(taker, FirstFrames):
        for _, judged in batch.judged:
            found[f"verdict:{verdict_of(judged.score, taker)}"] += 1
        found[f"batch:{bucket(BATCH_BUCKETS, len(batch.judged))}"] = 1
        found["score_us"] = round(1e3 * sum(judged.score_ms for _, judged in batch.judged))
    for latency in latencies_ms:
        found[f"latency:{bucket(LATENCY_BUCKETS_MS, latency)}"] += 1
    if latencies_ms:
        # A camera host's clock may be ahead: a sum that falls would look like a restart.
        found["latency_ms"] = max(0, round(sum(latencies_ms)))
    return dict(found)


def bucket(ends: Sequence[int], value: float) -> str:
    """The end of the bucket that `value` falls into."""
    place = bisect_left(ends, value)
    return str(ends[place]) if place < len(ends) else BEYOND
