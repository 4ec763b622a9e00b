"""From a folder of good images to a calibrated model on disk."""

from __future__ import annotations

import importlib.metadata
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from models.artifact import FORMAT, Manifest, check_free, save_artifact
from models.calibration import Calibration, calibrate
from models.datasets import open_dataset
from models.detector import TrainingImages, detector_class
from models.errors import DatasetError
from models.memory import peak_rss_mib
from models.preprocessing import to_batch
from models.runtime import choose_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.datasets import Dataset, Sample
    from models.detector import Detector, Preset, Progress

log = structlog.get_logger()

#: Share of the good images that the thresholds are taken from, and the model is not fitted on.
HELD_OUT = 0.2
_BATCH = 8
#: Reading and decoding run beside the graph, which leaves little of more than two threads.
_READERS = 2


@dataclass(frozen=True)
class TrainReport:
    """What training did; the keys of `train --json`."""

    #: Name of the method.
    detector: str
    #: timm's name.
    backbone: str
    #: Of every random choice.
    seed: int
    #: Good images used, those held out for the thresholds included.
    train_images: int
    #: How many defective test images the model was shown or has set aside.
    known_anomalies: int
    #: From the opened data to the calibrated model, weights and files apart.
    fit_seconds: float
    #: Largest memory this process ever held.
    peak_rss_mib: float
    #: Raw image score from which a part is rejected.
    threshold: float
    #: The folder written.
    model_dir: str

    def to_json(self) -> dict[str, Any]:
        """The report as `train --json` writes it."""
        return asdict(self)


def train(
    data: str | Path,
    *,
    detector: str = "patchcore",
    out: Path,
    backbone: str | None = None,
    weights: Path | None = None,
    preset: Preset = "fast",
    anomalies: int = 0,
    seed: int = 0,
    review_rate: float = 0.05,
    reject_rate: float = 0.01,
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> TrainReport:
    """Train a detector, calibrate it on held-out good images, and write it to `out`.

    Args:
        data: what `open_dataset` takes.
        detector: name of the method.
        out: folder to write; must not exist, or be empty.
        backbone: timm's name; None takes the preset's.
        weights: file of backbone weights; None looks for an installed package, then the hub.
        preset: `fast` for two CPU cores, `paper` for a GPU.
        anomalies: how many defective test images to set aside and name in the manifest.
        seed: of every random choice.
        review_rate: share of good parts that may be flagged.
        reject_rate: share of good parts that may be rejected, at most `review_rate`.
        device: auto, cpu or cuda.
        runtime: auto, openvino or torch.
        threads: CPU threads; None leaves it to the libraries.
        progress: told the stage, what is done of it, and its total.

    Raises:
        ModelError: DatasetError, WeightsError, ArtifactError and the like, each saying what to do.
            Nothing is left in `out` then.
    """
    tell = progress or _tell_nobody
    kind = detector_class(detector)
    engine = choose_engine(device, runtime, threads)
    check_free(out)
    dataset = open_dataset(data)
    fitted, held_out = split_held_out(dataset.train, seed)
    known = choose_anomalies(dataset, anomalies, seed)
    model = kind.create(preset=preset, engine=engine, backbone=backbone, weights=weights)

    started = time.perf_counter()
    model.fit(_training_images(fitted, model), seed=seed, progress=tell)
    calibration = calibrate(
        _scores(held_out, model, tell), review_rate=review_rate, reject_rate=reject_rate
    )
    fit_seconds = time.perf_counter() - started

    manifest = Manifest(
        format=FORMAT,
        detector=model.name,
        backbone=model.backbone,
        weights_sha256=model.weights_sha256,
        input_height=model.input_size[0],
        input_width=model.input_size[1],
        hyperparameters=model.hyperparameters,
        seed=seed,
        calibration=calibration,
        train_images=len(dataset.train),
        known_anomalies=[sample.name for sample in known],
        files={},
        code_version=importlib.metadata.version("linewatch"),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    save_artifact(out, manifest, model.save)
    _log_trained(manifest, out, fit_seconds)
    return TrainReport(
        detector=model.name,
        backbone=model.backbone,
        seed=seed,
        train_images=len(dataset.train),
        known_anomalies=len(known),
        fit_seconds=round(fit_seconds, 3),
        peak_rss_mib=round(peak_rss_mib(), 1),
        threshold=calibration.thresholds.reject,
        model_dir=str(out),
    )


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


def choose_anomalies(dataset: Dataset, count: int, seed: int) -> list[Sample]:
    """Draw defective test images, as evenly over the kinds of defects as their number allows.

    Raises:
        DatasetError: if there are fewer than `count`.
        ValueError: if `count` is negative.
    """
    if count < 0:
        raise ValueError(f"anomalies is {count}, expected 0 or more")
    by_kind: dict[str, list[Sample]] = defaultdict(list)
    for sample in dataset.test:
        if sample.is_anomalous:
            by_kind[sample.defect].append(sample)
    available = sum(map(len, by_kind.values()))
    if count > available:
        raise DatasetError(
            f"{count} known anomalies wanted, the test set has {available} defective images: "
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


def _training_images(samples: Sequence[Sample], model: Detector) -> TrainingImages:
    return TrainingImages(len(samples), lambda: _batches(samples, *model.input_size))


def _batches(samples: Sequence[Sample], height: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """Decode and resize one batch ahead of the one that is worked on."""

    def read(sample: Sample) -> NDArray[np.uint8]:
        return to_batch([sample.image()], height, width)

    with ThreadPoolExecutor(_READERS) as pool:
        ahead = [pool.submit(read, sample) for sample in samples[:_BATCH]]
        for start in range(0, len(samples), _BATCH):
            current = ahead
            following = samples[start + _BATCH : start + 2 * _BATCH]
            ahead = [pool.submit(read, sample) for sample in following]
            yield np.concatenate([future.result() for future in current])


def _scores(samples: Sequence[Sample], model: Detector, tell: Progress) -> NDArray[np.float32]:
    scores: list[NDArray[np.float32]] = []
    for batch in _batches(samples, *model.input_size):
        scores.append(model.score(batch).image_scores)
        tell("calibration", sum(map(len, scores)), len(samples))
    return np.concatenate(scores)


def _log_trained(manifest: Manifest, out: Path, fit_seconds: float) -> None:
    calibration: Calibration = manifest.calibration
    log.info(
        "model.trained",
        folder=str(out),
        images=manifest.train_images,
        seconds=round(fit_seconds, 1),
        review=calibration.thresholds.review,
        reject=calibration.thresholds.reject,
        review_rate=round(calibration.review_rate, 4),
        reject_rate=round(calibration.reject_rate, 4),
    )


def _tell_nobody(stage: str, done: int, total: int) -> None:
    """The progress callback of a caller that wants none."""
