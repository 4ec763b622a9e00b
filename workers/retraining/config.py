"""What a trainer is told: where models go, and how they are trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.detector import Preset


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How one trainer trains; the same for all lines."""

    #: Folder of the models, on a path that the scoring workers see too.
    models_dir: Path
    preset: Preset = "fast"
    #: timm's name; None: the preset's.
    backbone: str | None = None
    #: A file of backbone weights, or a folder of such; None: an installed package, then the hub.
    weights: Path | None = None
    #: Hyper-parameters that replace the preset's, by name.
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    #: Share of good parts that may be flagged, and rejected, at the thresholds of a new model.
    review_rate: float = 0.05
    reject_rate: float = 0.01
    #: CPU threads; None leaves it to the libraries.
    threads: int | None = None
    device: str = "auto"
    runtime: str = "auto"
    seed: int = 0
    #: How far a training stands back for what else the machine does: scoring comes first. 0 to 19.
    niceness: int = 10
    #: File of the key that new models are signed with, and of those of which one must have signed
    #: a model that is used; None: none.
    signing_key: Path | None = None
    trusted_keys: Path | None = None
    #: Seconds between two signs of life.
    heartbeat_s: float = 2.0
