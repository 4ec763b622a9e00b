"""What every detector does, and where to find one by name."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias

from models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.runtime import Engine

Preset: TypeAlias = Literal["fast", "paper"]

#: Called as progress(stage, done, total).
Progress: TypeAlias = "Callable[[str, int, int], None]"

#: Where each detector lives: imported when it is asked for, since some load torch.
_DETECTORS = {"patchcore": ("models.patchcore.detector", "PatchCore")}


@dataclass(frozen=True)
class Scores:
    """What a detector says about a batch."""

    #: (B,) float32, raw: higher is more anomalous; unit and range are the detector's.
    image_scores: NDArray[np.float32]
    #: (B, H, W) float32 at the detector's input size.
    anomaly_maps: NDArray[np.float32]


@dataclass(frozen=True)
class TrainingImages:
    """The good images a detector is fitted on; they may be gone through more than once."""

    #: How many images one pass gives.
    count: int
    #: Starts a pass: (B, H, W, 3) RGB batches of the detector's input size, always in the same
    #: order.
    batches: Callable[[], Iterator[NDArray[np.uint8]]]


class Detector(Protocol):
    """A detector; made by `create`, then fitted, or by `load` from an artifact."""

    #: The name it is chosen by.
    name: str

    @property
    def backbone(self) -> str:
        """timm's name of the backbone."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Identifies the backbone weights."""
        ...

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the images it takes."""
        ...

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Everything else that was chosen, for the manifest."""
        ...

    @classmethod
    def create(
        cls,
        *,
        preset: Preset,
        engine: Engine,
        backbone: str | None = None,
        weights: Path | None = None,
    ) -> Self:
        """Make an unfitted one; `backbone` replaces the preset's, `weights` is a file."""
        ...

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, engine: Engine) -> Self:
        """Read a fitted one from an artifact whose files were verified."""
        ...

    def fit(self, images: TrainingImages, *, seed: int, progress: Progress) -> None:
        """Learn what good images look like."""
        ...

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """Score (B, H, W, 3) RGB images of the input size."""
        ...

    def save(self, folder: Path) -> None:
        """Write the files that `load` needs."""
        ...


def detector_class(name: str) -> type[Detector]:
    """Find a detector by name.

    Raises:
        ModelError: if there is none of that name.
    """
    if name not in _DETECTORS:
        raise ModelError(
            f"unknown detector {name!r}: expected one of {', '.join(detector_names())}"
        )
    module, cls = _DETECTORS[name]
    found: type[Detector] = getattr(importlib.import_module(module), cls)
    return found


def detector_names() -> list[str]:
    """The detectors there are."""
    return sorted(_DETECTORS)
