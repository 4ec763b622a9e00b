"""What a run is: one detector trained on one set with one seed, and measured on its test images."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from bench.code_digest import code_digest
from models.datasets import open_dataset
from models.splitting import choose_anomalies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.datasets import Dataset

#: How many known anomalies the issue's tables take.
KNOWN = 10


@dataclass(frozen=True)
class Draw:
    """Known anomalies as `choose_anomalies` draws them with a run's seed."""

    #: How many; 0 draws none.
    count: int = 0
    #: Kinds of defects drawn from; empty for all.
    kinds: tuple[str, ...] = ()

    def names(self, dataset: Dataset, seed: int) -> set[str]:
        """The names of the images drawn."""
        return {s.name for s in choose_anomalies(dataset, self.count, seed, self.kinds)}


@dataclass(frozen=True)
class Run:
    """Everything that decides a training and its measures, but images and code."""

    #: Name of the method, or `reference`: the independent PatchCore.
    detector: str
    #: What `open_dataset` takes.
    data: str = ""
    #: Of every random choice.
    seed: int = 0
    #: Where the hyper-parameters come from.
    preset: str = "fast"
    #: timm's name; None takes the preset's.
    backbone: str | None = None
    #: Weights file or folder; None looks for a package, then the hub.
    weights: str | None = None
    #: Hyper-parameters that replace the preset's, by name.
    settings: tuple[tuple[str, Any], ...] = ()
    #: What the detector is shown.
    shown: Draw = Draw()
    #: What pixel figures leave out, whether the detector was shown it or not: so that they come
    #: from the same images as those of the runs that are compared with this one.
    apart: tuple[Draw, ...] = (Draw(KNOWN),)
    #: Shares of the training patches below the trained coreset's at which it is measured as well.
    smaller_coresets: tuple[float, ...] = ()
    #: CPU threads.
    threads: int = 1

    def on(self, data: str, seed: int) -> Self:
        """The same on another set with another seed."""
        return replace(self, data=data, seed=seed)

    def to_json(self) -> str:
        """As a process is told to do it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave."""
        stored = json.loads(text)
        stored["settings"] = tuple((name, _hashable(value)) for name, value in stored["settings"])
        stored["shown"] = _draw(stored["shown"])
        stored["apart"] = tuple(map(_draw, stored["apart"]))
        stored["smaller_coresets"] = tuple(stored["smaller_coresets"])
        return cls(**stored)

    def digest(self) -> str:
        """Identifies the result: the run, its images by name and size, and the code it runs."""
        dataset = open_dataset(self.data)
        facts = {field.name: getattr(self, field.name) for field in fields(self)}
        # Where a folder lies does not matter, what is in it does.
        facts["data"] = [
            (sample.name, sample.path.stat().st_size) for sample in (*dataset.train, *dataset.test)
        ]
        facts["code"] = code_digest(self.detector)
        text = json.dumps(facts, sort_keys=True, default=asdict)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        """What a person calls it."""
        parts = [self.detector, *(f"{name}={value}" for name, value in self.settings)]
        if self.backbone:
            parts.append(self.backbone)
        if self.shown.count:
            parts.append(" ".join([f"{self.shown.count} anomalies", *self.shown.kinds]))
        return f"{', '.join(parts)} on {short_name(self.data)}, seed {self.seed}"


def shown_images(dataset: Dataset, runs: Iterable[Run]) -> set[str]:
    """The names of all images that any of `runs` on `dataset` is shown: none of them is tested."""
    draws = {(run.shown, run.seed) for run in runs}
    return set().union(*(draw.names(dataset, seed) for draw, seed in draws))


def short_name(data: str) -> str:
    """A set's name without the folders above it."""
    return data.rstrip("/").rpartition("/")[2]


def _draw(stored: dict[str, Any]) -> Draw:
    return Draw(stored["count"], tuple(stored["kinds"]))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
