"""How good a trained model is on the test images of a set, at the thresholds it was stored with."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import structlog

from models import metrics
from models.datasets import open_dataset
from models.errors import DatasetError
from models.pixel_truth import PixelTruth
from models.scorer import load_scorer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.artifact import Manifest
    from models.calibration import Thresholds
    from models.datasets import Dataset, Sample
    from models.detector import Progress, Scores

log = structlog.get_logger()


@dataclass(frozen=True)
class EvaluationReport:
    """Figures on the test images of a set; None where a figure cannot be had."""

    #: Area under the ROC curve of the image scores.
    image_auroc: float | None
    #: The same of all pixels but those of unmarked images, at the size of the anomaly maps.
    pixel_auroc: float | None
    #: Area under the per-region overlap up to a false positive rate of 0.3, of the same pixels.
    aupro: float | None
    #: Best F1 of any threshold: an optimistic figure, chosen on the test images themselves.
    image_f1_max: float | None
    #: Share of the good images that the stored thresholds reject.
    false_reject_rate: float | None
    #: Share of the defective images that the stored thresholds let pass.
    escape_rate: float | None
    #: Median time to score one image alone, its resizing included, its decoding not.
    ms_per_image_p50: float
    #: How many images were scored; known anomalies are not among them.
    images: int
    #: Defective images whose defect no mask marks: in the image figures only.
    unmarked_images: int
    #: Name of the method.
    detector: str
    #: timm's name of the backbone.
    backbone: str
    #: What ran the model: openvino or torch.
    runtime: str
    #: Image AUROC of each kind of defect against all good images.
    per_defect: dict[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """The report as `evaluate --json` writes it."""
        return asdict(self)


class TrainedModel(Protocol):
    """What is evaluated; `models.scorer.Scorer` is one."""

    manifest: Manifest
    runtime: str

    @property
    def thresholds(self) -> Thresholds:
        """Where the verdicts begin."""
        ...

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        """Score (H, W, 3) RGB images."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """The figures, and what they were measured on: enough to show single images."""

    #: The figures.
    report: EvaluationReport
    #: Scores an image again where its map is wanted; maps of all images are not kept.
    model: TrainedModel
    #: Name of the set.
    data: str
    #: The images that were scored, in the set's order.
    samples: list[Sample]
    #: (B,) raw image scores.
    scores: NDArray[np.float64]
    #: How many images of each kind of defect were left out since the model was shown them.
    shown: dict[str, int]

    @property
    def is_anomalous(self) -> NDArray[np.bool_]:
        """(B,) whether each image shows a defect."""
        return np.array([sample.is_anomalous for sample in self.samples])


def evaluate(
    model_dir: str | Path,
    data: str | Path,
    *,
    progress: Progress | None = None,
    runtime: str = "auto",
    limit: int | None = None,
) -> EvaluationReport:
    """The figures of `evaluate_in_detail` alone."""
    return evaluate_in_detail(
        model_dir, data, progress=progress, runtime=runtime, limit=limit
    ).report


def evaluate_in_detail(
    model_dir: str | Path,
    data: str | Path,
    *,
    progress: Progress | None = None,
    runtime: str = "auto",
    limit: int | None = None,
) -> Evaluation:
    """Score the test images of a set with a trained model, and measure.

    Args:
        model_dir: what `train` wrote.
        data: what `open_dataset` takes.
        progress: called as progress("scoring", done, total).
        runtime: auto, openvino or torch.
        limit: score at most so many test images, spread evenly over the set; None for all.

    Raises:
        ModelError: if the model or the set cannot be had, or a file of it cannot be read.
    """
    dataset = open_dataset(data)
    model = load_scorer(model_dir, runtime=runtime)
    return evaluate_model_in_detail(model, dataset, progress=progress, limit=limit)


def evaluate_model(
    model: TrainedModel,
    dataset: Dataset,
    *,
    progress: Progress | None = None,
    limit: int | None = None,
) -> EvaluationReport:
    """Like `evaluate`, for a model and a set that are open already."""
    return evaluate_model_in_detail(model, dataset, progress=progress, limit=limit).report


def evaluate_model_in_detail(
    model: TrainedModel,
    dataset: Dataset,
    *,
    progress: Progress | None = None,
    limit: int | None = None,
) -> Evaluation:
    """Like `evaluate_in_detail`, for a model and a set that are open already."""
    samples = _choose(dataset, model.manifest.known_anomalies, limit)
    run = _score_all(model, samples, progress)
    report = _measure(model, samples, run)
    known = set(model.manifest.known_anomalies)
    shown = Counter(sample.defect for sample in dataset.test if sample.name in known)
    return Evaluation(report, model, dataset.name, samples, run.scores, dict(shown))


def _measure(model: TrainedModel, samples: list[Sample], run: _Run) -> EvaluationReport:
    is_anomalous = np.array([sample.is_anomalous for sample in samples])
    reject, review = model.thresholds.reject, model.thresholds.review
    return EvaluationReport(
        image_auroc=metrics.image_auroc(run.scores, is_anomalous),
        pixel_auroc=metrics.pixel_auroc(run.pixels.maps, run.pixels.masks),
        aupro=metrics.aupro(run.pixels.maps, run.pixels.masks),
        image_f1_max=metrics.f1_max(run.scores, is_anomalous),
        false_reject_rate=metrics.false_reject_rate(run.scores, is_anomalous, reject),
        escape_rate=metrics.escape_rate(run.scores, is_anomalous, review),
        ms_per_image_p50=round(float(np.median(run.milliseconds)), 3),
        images=len(samples),
        unmarked_images=len(run.pixels.unmarked),
        detector=model.manifest.detector,
        backbone=model.manifest.backbone,
        runtime=model.runtime,
        per_defect=_per_defect(run.scores, samples),
    )


@dataclass(frozen=True)
class _Run:
    """What a model said about the test images."""

    #: (B,)
    scores: NDArray[np.float64]
    #: (B,)
    milliseconds: NDArray[np.float64]
    #: Of images whose normal and defective pixels are known.
    pixels: PixelTruth


def _score_all(model: TrainedModel, samples: list[Sample], progress: Progress | None) -> _Run:
    run = _Run(np.empty(len(samples)), np.empty(len(samples)), PixelTruth())
    # Where nothing is marked, maps of good images would only fill the memory.
    has_masks = any(sample.mask_path is not None for sample in samples)
    model.score([samples[0].image()])  # the first call warms up, and is not timed
    for index, sample in enumerate(samples):
        image = sample.image()
        start = time.perf_counter()
        result = model.score([image])
        anomaly_map = result.anomaly_map(0)  # it counts in the time
        run.milliseconds[index] = (time.perf_counter() - start) * 1000
        run.scores[index] = result.image_scores[0]
        if has_masks or sample.is_anomalous:
            run.pixels.add(sample, (image.shape[0], image.shape[1]), anomaly_map)
        if progress is not None:
            progress("scoring", index + 1, len(samples))
    run.pixels.log()
    return run


def _choose(dataset: Dataset, known_anomalies: list[str], limit: int | None) -> list[Sample]:
    """The test images without those the model was shown."""
    known = set(known_anomalies)
    missing = known - {sample.name for sample in dataset.test}
    if missing:
        # Usual on another set than the one trained on; on the same set its files were renamed.
        log.warning(
            "evaluation.known_anomalies_not_in_set", data=dataset.name, names=sorted(missing)
        )
    samples = [sample for sample in dataset.test if sample.name not in known]
    if not samples:
        raise DatasetError(
            f"{dataset.name} has no test images to evaluate on: "
            "put pictures into test/good and test/<defect>"
        )
    if limit is None or limit >= len(samples):
        return samples
    if limit < 1:
        raise ValueError(f"limit is {limit}: evaluate at least one image")
    return [samples[index * len(samples) // limit] for index in range(limit)]


def _per_defect(scores: NDArray[np.float64], samples: list[Sample]) -> dict[str, float | None]:
    defects = np.array([sample.defect for sample in samples])
    is_anomalous = np.array([sample.is_anomalous for sample in samples])
    figures = {}
    for defect in dict.fromkeys(defects[is_anomalous].tolist()):
        chosen = ~is_anomalous | (defects == defect)
        figures[defect] = metrics.image_auroc(scores[chosen], is_anomalous[chosen])
    return figures
