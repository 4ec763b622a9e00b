"""What every detector does, and where to find one by name."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias

from models.anomaly_map import enlarge
from models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.checkpoint import Checkpoint
    from models.hyperparameters import Hyperparameters
    from models.runtime import Engine

Preset: TypeAlias = Literal["fast", "paper"]

#: Called as progress(stage, done, total).
Progress: TypeAlias = "Callable[[str, int, int], None]"

#: Where each detector lives: imported when it is asked for, since some load torch.
_DETECTORS = {
    "bgad": ("models.bgad.detector", "Bgad"),
    "cutpaste": ("models.cutpaste.detector", "CutPaste"),
    "cutswap": ("models.cutswap.detector", "CutSwap"),
    "patchcore": ("models.patchcore.detector", "PatchCore"),
    "simplenet": ("models.simplenet.detector", "SimpleNet"),
}


@dataclass(frozen=True)
class Scores:
    """What a detector says about a batch."""

    #: (B,) float32, raw: higher is more anomalous; unit and range are the detector's.
    image_scores: NDArray[np.float32]
    #: (B, h, w) float32, same unit.
    patch_scores: NDArray[np.float32]
    #: (H, W) of the maps, the detector's input size; None where patch scores are maps already.
    map_size: tuple[int, int] | None = None
    #: Of the Gaussian that smooths the maps, in their pixels.
    sigma: float = 0.0

    def anomaly_map(self, place: int) -> NDArray[np.float32]:
        """The map (H, W) of one image. Nobody looks at most good parts': worked out when asked."""
        one = replace(self, patch_scores=self.patch_scores[place : place + 1])
        anomaly_map: NDArray[np.float32] = one.anomaly_maps[0]
        return anomaly_map

    @property
    def anomaly_maps(self) -> NDArray[np.float32]:
        """(B, H, W) float32: all of them, worked out anew each time."""
        if self.map_size is None:
            return self.patch_scores
        return enlarge(self.patch_scores, *self.map_size, sigma=self.sigma)


@dataclass(frozen=True)
class TrainingImages:
    """Good images; they may be gone through more than once."""

    #: How many images one pass gives.
    count: int
    #: Starts a pass: (B, H, W, 3) RGB batches of the detector's input size, always in the same
    #: order.
    batches: Callable[[], Iterator[NDArray[np.uint8]]]
    #: Reads one image by its place in a pass, (H, W, 3) RGB, in its own size.
    read: Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True)
class KnownAnomaly:
    """A defective image that a detector may learn from."""

    #: Of its sample.
    name: str
    #: (H, W, 3) RGB, in its own size.
    image: NDArray[np.uint8]
    #: (H, W) where the defect is, not empty; None where nobody has drawn it.
    mask: NDArray[np.bool_] | None


@dataclass(frozen=True)
class TrainingData:
    """What a detector learns from."""

    #: Fitted on.
    normal: TrainingImages
    #: Good images that nothing is fitted on: for constants, never for weights. The thresholds are
    #: taken from their scores.
    held_out: TrainingImages
    #: For methods that can use them.
    anomalies: Sequence[KnownAnomaly] = ()


class Detector(Protocol):
    """A detector; made by `create`, then fitted, or by `load` from an artifact."""

    #: The name it is chosen by.
    name: str

    #: Everything that was chosen.
    parameters: Hyperparameters

    @property
    def weights_sha256(self) -> str:
        """Identifies the pretrained backbone weights."""
        ...

    @property
    def findings(self) -> dict[str, Any]:
        """What fitting found out that people may want to know, by name, ready for JSON."""
        ...

    @classmethod
    def create(
        cls,
        *,
        preset: Preset,
        engine: Engine,
        backbone: str | None = None,
        weights: Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an unfitted one.

        Args:
            preset: where the hyper-parameters come from.
            engine: what it runs on.
            backbone: replaces the preset's.
            weights: a file with the backbone's, or a folder with one file for each.
            settings: hyper-parameters to change, by name.
        """
        ...

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, engine: Engine) -> Self:
        """Read a fitted one from an artifact whose files were verified."""
        ...

    def fit(
        self,
        data: TrainingData,
        *,
        seed: int,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Learn what good images look like, and what is known of bad ones.

        Args:
            data: what to learn from.
            seed: of every random choice.
            progress: told the stage, what is done of it, and its total.
            checkpoint: where an unfinished fit is kept and taken up again; None keeps nothing.
        """
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
