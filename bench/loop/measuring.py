"""What the versions are worth on parts that nobody ever reviewed, and on the golden set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.snapshots import snapshot_items
from db.tables import ModelVersion, SampleLabel, SnapshotUse
from models.calibration import calibrate
from models.images import decode
from models.metrics import image_auroc
from models.scorer import load_scorer
from models.statistics.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Engine

    from bench.loop.parts import Frame, Roles
    from db.store import ImageStore

    Floats = NDArray[np.float32]

#: Draws of parts with replacement, for the intervals.
DRAWS = 1000
FALSE_REJECTS = 0.01


@dataclass(frozen=True)
class Scored:
    """Raw scores of one version on parts that were never streamed."""

    calibration: Floats
    good: Floats
    defect: Floats

    @property
    def threshold(self) -> float:
        """From here 1 % of the good parts may be rejected, by the calibration's own half."""
        return calibrate(self.calibration, reject_rate=FALSE_REJECTS).thresholds.reject

    @property
    def auroc(self) -> float:
        """Of the tested parts."""
        found = image_auroc(
            np.concatenate([self.good, self.defect]),
            np.arange(len(self.good) + len(self.defect)) >= len(self.good),
        )
        assert found is not None
        return found

    @property
    def escapes(self) -> NDArray[np.bool_]:
        """(n,) whether each defect passes."""
        return np.asarray(self.defect < np.float32(self.threshold))

    @property
    def escape_rate(self) -> float:
        """Share of the defects that pass."""
        return float(self.escapes.mean())

    @property
    def false_rejects(self) -> float:
        """Share of the tested goods that are rejected; the threshold knows nothing of them."""
        return float((self.good >= np.float32(self.threshold)).mean())

    def drawn(self, draw: dict[str, NDArray[np.intp]]) -> Scored:
        """Other parts of the same kinds, drawn with replacement."""
        return Scored(**{name: getattr(self, name)[index] for name, index in draw.items()})


@dataclass(frozen=True)
class Difference:
    """Of two versions on the same parts, the first minus the second."""

    auroc: float
    auroc_interval: Interval
    escape_rate: float
    escape_interval: Interval

    @property
    def is_worse(self) -> bool:
        """Whether the first is worse, beyond what the choice of the parts explains."""
        return self.auroc_interval.upper < 0 or self.escape_interval.lower > 0


def score_tested(artifact: str, roles: Roles, runtime: str) -> dict[str, list[float]]:
    """Raw scores of the parts that were never streamed."""
    scorer = load_scorer(Path(artifact), runtime=runtime, threads=1)

    def scores(frames: Iterable[Frame]) -> list[float]:
        return [float(scorer.score([f.sample.image()]).image_scores[0]) for f in frames]

    return {
        "calibration": scores(roles.calibration),
        "good": scores(f for f in roles.tested if not f.sample.is_anomalous),
        "defect": scores(f for f in roles.tested if f.sample.is_anomalous),
    }


def parts_of(roles: Roles) -> dict[str, list[str]]:
    """The part of each score that `score_tested` gives."""
    tested = roles.tested
    return {
        "calibration": [f.part for f in roles.calibration],
        "good": [f.part for f in tested if not f.sample.is_anomalous],
        "defect": [f.part for f in tested if f.sample.is_anomalous],
    }


def scores_of(scores: dict[str, list[float]], only: NDArray[np.bool_] | None = None) -> Scored:
    """Scores as they were kept; `only` some of the defects, or all."""
    arrays = {name: np.asarray(values, np.float32) for name, values in scores.items()}
    if only is not None:
        arrays["defect"] = arrays["defect"][only]
    return Scored(**arrays)


def draws(parts: dict[str, Sequence[str]], seed: int = 0) -> list[dict[str, NDArray[np.intp]]]:
    """Indices of drawn parts: whole parts, whose pictures are alike."""
    rng = np.random.default_rng(seed)
    of_part = {name: _indices(ids) for name, ids in parts.items()}
    return [
        {
            name: np.concatenate(
                [indices[i] for i in rng.integers(len(indices), size=len(indices))]
            )
            for name, indices in of_part.items()
        }
        for _ in range(DRAWS)
    ]


def _indices(ids: Sequence[str]) -> list[NDArray[np.intp]]:
    names = np.asarray(ids)
    return [np.flatnonzero(names == name) for name in dict.fromkeys(ids)]


def intervals(
    one: Scored, drawn: Sequence[dict[str, NDArray[np.intp]]]
) -> tuple[Interval, Interval]:
    """Of the AUROC and of the escape rate, at 95 %: the parts could have been others."""
    others = [one.drawn(draw) for draw in drawn]
    return _middle([o.auroc for o in others]), _middle([o.escape_rate for o in others])


def difference(
    one: Scored, other: Scored, drawn: Sequence[dict[str, NDArray[np.intp]]]
) -> Difference:
    """How much better or worse one version is than another on the same parts."""
    pairs = [(one.drawn(draw), other.drawn(draw)) for draw in drawn]
    return Difference(
        one.auroc - other.auroc,
        _middle([a.auroc - b.auroc for a, b in pairs]),
        one.escape_rate - other.escape_rate,
        _middle([a.escape_rate - b.escape_rate for a, b in pairs]),
    )


def _middle(values: Sequence[float]) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5]).tolist()
    return Interval(low, high)


def golden_check(engine: Engine, store: ImageStore, runtime: str) -> list[dict[str, Any]]:
    """Let every candidate and its champion score its golden frames anew, apart from the gate."""
    with Session(engine) as session:
        versions = {v.number: v for v in session.scalars(select(ModelVersion))}
        golden = {
            number: snapshot_items(session, version.snapshot_id, use=SnapshotUse.GOLDEN)
            for number, version in versions.items()
            if version.snapshot_id is not None
        }
    found = []
    for number, version in versions.items():
        champion = ((version.gate or {}).get("champion") or {}).get("number")
        if champion is None:
            continue
        items = [i for i in golden[number] if i.label == SampleLabel.DEFECT]
        images = [decode(store.get(item.image_key)) for item in items]
        escapes = []
        for one in (version, versions[champion]):
            scorer = load_scorer(Path(one.artifact_path), runtime=runtime, threads=1)
            scores = [float(scorer.score([image]).image_scores[0]) for image in images]
            escapes.append(sum(score < one.review_threshold for score in scores))
        found.append(
            {
                "number": number,
                "champion": champion,
                "defects": len(items),
                "escapes": escapes[0],
                "champion_escapes": escapes[1],
            }
        )
    return found
