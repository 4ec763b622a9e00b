"""What is counted of a batch."""

from __future__ import annotations

import pytest

from workers.tallies import BATCH_BUCKETS, LATENCY_BUCKETS_MS, bucket


@pytest.mark.parametrize(
    ("value", "wanted"), [(0, "5"), (5, "5"), (5.1, "10"), (60_000, "60000"), (60_001, "inf")]
)
def test_a_latency_falls_into_the_bucket_that_ends_at_or_after_it(
    value: float, wanted: str
) -> None:
    assert bucket(LATENCY_BUCKETS_MS, value) == wanted


def test_the_buckets_of_batches_reach_what_a_gpu_takes() -> None:
    assert bucket(BATCH_BUCKETS, 64) == "64"
