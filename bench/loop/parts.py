"""Which part of an image set is for what: by part, never by picture.

Pictures that are near-duplicates of each other, directly or over others, show one part: in
magnetic_tile the same tile was taken at several exposures and cut out several times.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from models.near_duplicates import near_duplicates_of_each, signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.loop.plan import Plan
    from models.datasets import Dataset, Sample


@dataclass(frozen=True)
class Part:
    """A part and its pictures."""

    #: The name of its first picture.
    id: str
    frames: tuple[Sample, ...]

    @property
    def kind(self) -> str:
        """The kind of its defect, or good."""
        return self.frames[0].defect


@dataclass(frozen=True)
class Frame:
    """A picture and the part it shows."""

    sample: Sample
    part: str


@dataclass(frozen=True)
class Roles:
    """Pictures by what they are for; no part is in two of them."""

    #: All good.
    taught: tuple[Frame, ...]
    golden: tuple[Frame, ...]
    #: In the order they come down the line.
    stream: tuple[Frame, ...]
    #: All good: thresholds of the evaluation come from these.
    calibration: tuple[Frame, ...]
    #: What is measured on: never streamed, never reviewed.
    tested: tuple[Frame, ...]
    #: Pictures of parts that show more than one kind of defect, or a good and a defective one.
    left_out: int

    @property
    def kinds(self) -> list[str]:
        """The kinds of defects that are streamed."""
        return sorted({one.sample.defect for one in self.stream if one.sample.is_anomalous})


def find_parts(dataset: Dataset) -> list[Part]:
    """Group the pictures of a set, good and defective, by part."""
    samples = [*dataset.train, *dataset.test]
    signatures = [signature(sample.image()) for sample in samples]
    first = list(range(len(samples)))

    def root(index: int) -> int:
        while first[index] != index:
            index = first[index]
        return index

    for index, near in enumerate(near_duplicates_of_each(signatures, signatures)):
        for other in near.tolist():
            one, two = sorted((root(index), root(other)))
            first[two] = one
    groups: defaultdict[int, list[Sample]] = defaultdict(list)
    for index, sample in enumerate(samples):
        groups[root(index)].append(sample)
    return [Part(frames[0].name, tuple(frames)) for frames in groups.values()]


def divide(parts: Iterable[Part], plan: Plan) -> Roles:
    """Give each part its role: in the order of a hash of its name, the same for every scenario."""
    whole = [part for part in parts if len({frame.defect for frame in part.frames}) == 1]
    left_out = sum(len(part.frames) for part in parts) - sum(len(part.frames) for part in whole)
    by_kind: defaultdict[str, list[Part]] = defaultdict(list)
    for part in sorted(whole, key=lambda part: _hash(f"{plan.seed}:{part.id}")):
        by_kind["" if not part.frames[0].is_anomalous else part.kind].append(part)
    shares, goods = plan.shares, by_kind.pop("", [])
    cuts = np.cumsum([shares.taught, shares.golden, shares.calibration, shares.tested])
    taught, golden, calibration, tested, streamed = _cut(goods, cuts)
    golden_of_kind = max(3, shares.golden_defects // max(1, len(by_kind)))
    defects: list[Part] = []
    for kind in sorted(by_kind):
        of_kind = by_kind[kind]
        ends = golden_of_kind, golden_of_kind + round(shares.tested_defects * len(of_kind))
        golden += of_kind[: ends[0]]
        tested += of_kind[ends[0] : ends[1]]
        if kind != plan.unseen:
            defects += of_kind[ends[1] :]
    return Roles(
        taught=_all_frames(taught),
        golden=_first_frames(golden),
        stream=_mixed(_all_frames(streamed), _first_frames(defects), plan),
        calibration=_all_frames(calibration),
        tested=_all_frames(tested),
        left_out=left_out,
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _cut(parts: Sequence[Part], cuts: Iterable[float]) -> list[list[Part]]:
    """Cut where the pictures counted so far reach a share of all."""
    ends = np.cumsum([len(part.frames) for part in parts])
    places = np.searchsorted(ends, [cut * ends[-1] for cut in cuts]).tolist()
    edges = [0, *places, len(parts)]
    return [list(parts[a:b]) for a, b in pairwise(edges)]


def _all_frames(parts: Iterable[Part]) -> tuple[Frame, ...]:
    return tuple(Frame(sample, part.id) for part in parts for sample in part.frames)


def _first_frames(parts: Iterable[Part]) -> tuple[Frame, ...]:
    return tuple(Frame(part.frames[0], part.id) for part in parts)


def _mixed(goods: Sequence[Frame], defects: Sequence[Frame], plan: Plan) -> tuple[Frame, ...]:
    """Good and defective ones by chance, until either runs out."""
    rng = np.random.default_rng(plan.seed)
    waiting = {
        False: [goods[i] for i in rng.permutation(len(goods))],
        True: [defects[i] for i in rng.permutation(len(defects))],
    }
    mixed: list[Frame] = []
    while True:
        is_defect = bool(rng.random() < plan.defective)
        if not waiting[is_defect]:
            return tuple(mixed)
        mixed.append(waiting[is_defect].pop())
