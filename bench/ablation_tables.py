"""The ablations that the papers' tables need, by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from bench.accuracy import SMALL
from bench.comparison import Row
from bench.runs import KNOWN, Draw, Run
from models.datasets import open_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BGAD = Run("bgad", shown=Draw(KNOWN))
CUTSWAP = Run("cutswap", smaller_coresets=(SMALL,))
CUTPASTE = Run("cutpaste", smaller_coresets=(SMALL,))
PATCHCORE = Run("patchcore", smaller_coresets=(SMALL,))
SIMPLENET = Run("simplenet")

#: timm's names; those whose weights cannot be had are reported as missing.
BACKBONES = (
    "tf_efficientnet_lite0",
    "tf_efficientnet_lite1",
    "tf_efficientnet_lite2",
    "resnet18.tv_in1k",
    "resnet50.tv_in1k",
    "resnet101.tv_in1k",
    "wide_resnet50_2.tv_in1k",
)


@dataclass(frozen=True)
class Table:
    """A question to a method."""

    #: What is varied.
    what: str
    #: The rows, for a set as `open_dataset` takes it.
    rows: Callable[[str], list[Row]]


def grid(run: Run, axes: Mapping[str, Sequence[Any]]) -> list[Row]:
    """One row for each combination of the values of some hyper-parameters, by name."""
    rows = []
    for values in product(*axes.values()):
        settings = tuple(zip(axes, values, strict=True))
        label = ", ".join(f"{name}={_plain(value)}" for name, value in settings)
        rows.append(Row(run.detector, label or run.detector, replace(run, settings=settings)))
    return rows


def _plain(value: Any) -> str:
    return " + ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _at_both_coresets(rows: Sequence[Row]) -> list[Row]:
    """Each row once more at the small coreset; it needs no training of its own."""
    small = [replace(row, label=f"{row.label}, coreset {SMALL}", coreset=SMALL) for row in rows]
    return [*rows, *small]


def _grid(run: Run, **axes: Sequence[Any]) -> Callable[[str], list[Row]]:
    rows = grid(run, axes)
    return lambda _: _at_both_coresets(rows) if run.smaller_coresets else rows


def _known_counts(_: str) -> list[Row]:
    counts = (0, 1, 5, 10, 20)
    return [Row("bgad", f"{n} known anomalies", replace(BGAD, shown=Draw(n))) for n in counts]


def _known_kinds(data: str) -> list[Row]:
    """None, then one kind alone: ten of it, or half of what there is."""
    there = Counter(s.defect for s in open_dataset(data).test if s.is_anomalous)
    rows = [Row("bgad", "none", replace(BGAD, shown=Draw()))]
    for kind, count in there.items():
        draw = Draw(min(KNOWN, count // 2), (kind,))
        rows.append(Row("bgad", f"{draw.count} {kind}", replace(BGAD, shown=draw)))
    return rows


def _parts(_: str) -> list[Row]:
    """All of BGAD, then without one part each."""
    parts = {
        "without pseudo anomalies": "pseudo_anomalies",
        "pasted anywhere": "restrict_to_foreground",
        "without focal weights": "focal",
        "without push and pull": "push_pull",
    }
    off = [
        Row("bgad", label, replace(BGAD, settings=((name, False),)))
        for label, name in parts.items()
    ]
    return [Row("bgad", "all parts", BGAD), *off]


def _noise(_: str) -> list[Row]:
    deviations = (0.015, 0.05, 0.1, 0.25, 0.5, 1.0)
    # Both ends: every patch gets the same.
    settings = [(("noise", value), ("noise_up_to", value)) for value in deviations]
    return [
        Row("simplenet", f"noise={value}", replace(SIMPLENET, settings=setting))
        for value, setting in zip(deviations, settings, strict=True)
    ]


def _coresets(_: str) -> list[Row]:
    runs = {"plain": PATCHCORE, "CutPaste": CUTPASTE, "CutSwap": CUTSWAP}
    return _at_both_coresets([Row(run.detector, label, run) for label, run in runs.items()])


def _backbones(_: str) -> list[Row]:
    return [Row("simplenet", name, replace(SIMPLENET, backbone=name)) for name in BACKBONES]


STRIDES = (2, 4, 8, 16, 32)

TABLES = {
    "bgad-anomalies": Table("number of known anomalies", _known_counts),
    "bgad-unseen": Table("which kinds are known; at least two kinds of defects", _known_kinds),
    "bgad-beta-tau": Table(
        "boundary and margin", _grid(BGAD, beta=(0.01, 0.05, 0.1), tau=(0.05, 0.1, 0.2))
    ),
    "bgad-parts": Table("what is learnt from anomalies, and how", _parts),
    "cutswap-clusters": Table("K of k-means", _grid(CUTSWAP, clusters=range(1, 7))),
    "cutswap-choice": Table("which cluster", _grid(CUTSWAP, cluster=("max", "random", "min"))),
    "cutswap-layers": Table(
        "levels that give saliency maps",
        _grid(CUTSWAP, saliency_strides=(*((stride,) for stride in STRIDES), STRIDES)),
    ),
    "cutswap-sorting": Table(
        "cluster or most salient pixels", _grid(CUTSWAP, selection=("clusters", "sorting"))
    ),
    "cutswap-coreset": Table("coreset, and what tuned the backbone", _coresets),
    "simplenet-levels": Table(
        "levels of the backbone",
        _grid(SIMPLENET, strides=((8,), (16,), (32,), (8, 16), (16, 32), (8, 16, 32))),
    ),
    "simplenet-noise": Table("standard deviation of the noise", _noise),
    "simplenet-backbones": Table("backbones", _backbones),
}
