"""The good images a model rests on: fitted on, or held out for its thresholds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from models.calibration import calibrate
from models.errors import ArtifactError
from models.training_data import training_images

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.calibration import Calibration, Thresholds
    from models.datasets import Sample
    from models.detector import Detector, Progress

GOOD_IMAGES_FILE = "good_images.json"


@dataclass(frozen=True)
class HeldOut:
    """A good image that the model was not fitted on."""

    #: Of its sample.
    name: str
    #: Raw image score.
    score: float
    #: Largest value of its anomaly map.
    peak: float


@dataclass(frozen=True)
class GoodImages:
    """Which good images a model has seen, and what its thresholds come from.

    It is kept with the model, so that images can be added and forgotten without the others.
    """

    #: Names of those it was fitted on, in the order of the fit.
    fitted: tuple[str, ...]
    #: The others.
    held_out: tuple[HeldOut, ...]
    #: Wanted share of good parts that are flagged.
    review_rate: float
    #: Wanted share of good parts that are rejected.
    reject_rate: float

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return self.fitted + tuple(image.name for image in self.held_out)

    def calibrate(self) -> tuple[Calibration, Thresholds]:
        """Thresholds of image scores and what they promise, and those of the maps' peaks."""
        scores = [image.score for image in self.held_out]
        peaks = [image.peak for image in self.held_out]
        rates = {"review_rate": self.review_rate, "reject_rate": self.reject_rate}
        return calibrate(scores, **rates), calibrate(peaks, **rates).thresholds

    def save(self, folder: Path) -> None:
        """Write it beside a model's other files; the same images give the same bytes."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        (folder / GOOD_IMAGES_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> GoodImages:
        """Read what `save` wrote.

        Raises:
            ArtifactError: if the model was trained before this was kept, or the file is another's.
        """
        try:
            stored = json.loads((folder / GOOD_IMAGES_FILE).read_text(encoding="utf-8"))
            return cls(
                tuple(stored["fitted"]),
                tuple(HeldOut(**image) for image in stored["held_out"]),
                stored["review_rate"],
                stored["reject_rate"],
            )
        except FileNotFoundError as exc:
            raise ArtifactError(
                f"{folder} does not say which images it was trained on, as models of older "
                "versions: train it again once, then images can be added and forgotten"
            ) from exc
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ArtifactError(
                f"{folder / GOOD_IMAGES_FILE} cannot be read ({exc!r}): train the model again"
            ) from exc


def score_held_out(
    samples: Sequence[Sample], model: Detector, progress: Progress
) -> tuple[HeldOut, ...]:
    """Score good samples that `model` was not fitted on."""
    images = training_images(samples, *model.parameters.input_size)
    scored: list[tuple[float, float]] = []
    for batch in images.batches():
        said = model.score(batch)
        peaks = said.anomaly_maps.max(axis=(1, 2))
        scored += zip(said.image_scores.tolist(), peaks.tolist(), strict=True)
        progress("calibration", len(scored), images.count)
    return tuple(
        HeldOut(sample.name, score, peak)
        for sample, (score, peak) in zip(samples, scored, strict=True)
    )
