"""Which good images a detector is fitted on, and which defective ones it is shown."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.datasets import Dataset, Sample

#: Share of the good images that the thresholds are taken from, and the model is not fitted on.
HELD_OUT = 0.2


def split_held_out(samples: Sequence[Sample], seed: int) -> tuple[list[Sample], list[Sample]]:
    """Split good images into those to fit on and those to calibrate with, each in the given order.

    Raises:
        DatasetError: if there are fewer than two.
    """
    if len(samples) < 2:
        raise DatasetError(
            f"{len(samples)} good training image(s), at least 2 are needed, one to fit and one "
            "to calibrate on: add images, 100 or more are recommended"
        )
    count = max(1, round(HELD_OUT * len(samples)))
    drawn = set(np.random.default_rng(seed).permutation(len(samples))[:count].tolist())
    fitted = [sample for index, sample in enumerate(samples) if index not in drawn]
    return fitted, [samples[index] for index in sorted(drawn)]


def choose_anomalies(
    dataset: Dataset, count: int, seed: int, kinds: Sequence[str] = ()
) -> list[Sample]:
    """Draw defective test images, as evenly over the kinds of defects as their number allows.

    Args:
        dataset: whose test images are drawn from.
        count: how many.
        seed: of the draw.
        kinds: the kinds of defects to draw from; empty for all.

    Raises:
        DatasetError: if there are fewer than `count`, or no such kind.
        ValueError: if `count` is negative.
    """
    if count < 0:
        raise ValueError(f"anomalies is {count}, expected 0 or more")
    by_kind = _by_kind(dataset, kinds)
    available = sum(map(len, by_kind.values()))
    if count > available:
        of = f" of {', '.join(by_kind)}" if kinds else ""
        raise DatasetError(
            f"{count} known anomalies wanted, the test set has {available} defective images{of}: "
            "ask for fewer"
        )
    if count == 0:
        return []
    rng = np.random.default_rng(seed)
    share = count // len(by_kind)
    chosen, rest = [], []
    for kind in sorted(by_kind):
        shuffled = [by_kind[kind][index] for index in rng.permutation(len(by_kind[kind]))]
        chosen += shuffled[:share]
        rest += shuffled[share:]
    chosen += [rest[index] for index in rng.permutation(len(rest))[: count - len(chosen)]]
    return sorted(chosen, key=lambda sample: sample.name)


def _by_kind(dataset: Dataset, kinds: Sequence[str]) -> dict[str, list[Sample]]:
    """The defective test images of the wanted kinds; of all without any wanted."""
    by_kind: dict[str, list[Sample]] = defaultdict(list)
    for sample in dataset.test:
        if sample.is_anomalous:
            by_kind[sample.defect].append(sample)
    for kind in kinds:
        if kind not in by_kind:
            known = ", ".join(by_kind) or "none, its test set has no defective images"
            raise DatasetError(f"{dataset.name} has no defect {kind!r}: its kinds are {known}")
    return {kind: by_kind[kind] for kind in kinds or by_kind}
