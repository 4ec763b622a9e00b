"""From a folder of good images to a calibrated model on disk."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import structlog

from models.artifact import FORMAT, Manifest, check_free, save_artifact
from models.checkpoint import Checkpoint
from models.datasets import open_dataset
from models.detector import TrainingData, detector_class
from models.good_images import GoodImages, score_held_out
from models.memory import peak_rss_mib
from models.runtime import choose_engine
from models.splitting import choose_anomalies, split_held_out
from models.training_data import known_anomaly, training_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from models.calibration import Calibration
    from models.datasets import Sample
    from models.detector import Detector, KnownAnomaly, Preset, Progress

log = structlog.get_logger()


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


@dataclass(frozen=True)
class TrainingSet:
    """Which samples a training uses, and for what."""

    #: Good ones to fit on.
    fitted: Sequence[Sample]
    #: Good ones that nothing is fitted on: the thresholds come from their scores.
    held_out: Sequence[Sample]
    #: Defective ones to be shown.
    anomalies: Sequence[Sample]
    #: The good ones, both kinds, in the set's own order.
    good: Sequence[Sample]


def train(
    data: str | Path,
    *,
    detector: str = "patchcore",
    out: Path,
    backbone: str | None = None,
    weights: Path | None = None,
    preset: Preset = "fast",
    anomalies: int = 0,
    kinds: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
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
        weights: file of backbone weights, or a folder with one for each backbone; None looks for an
            installed package, then the hub.
        preset: `fast` for two CPU cores, `paper` for a GPU.
        anomalies: how many defective test images the method is shown; the manifest names them.
        kinds: of defects that these are drawn from; empty for all.
        settings: hyper-parameters that replace the preset's, by name.
        seed: of every random choice.
        review_rate: share of good parts that may be flagged.
        reject_rate: share of good parts that may be rejected, at most `review_rate`.
        device: auto, cpu or cuda.
        runtime: auto, openvino or torch.
        threads: CPU threads; None leaves it to the libraries.
        progress: told the stage, what is done of it, and its total.

    Raises:
        ModelError: DatasetError, WeightsError, ArtifactError and the like, each saying what to do.
            Nothing is left in `out` then. An interrupted training leaves `.NAME.unfinished` beside
            it, and goes on from there when it is called again with the same arguments.
    """
    dataset = open_dataset(data)
    fitted, held_out = split_held_out(dataset.train, seed)
    known = choose_anomalies(dataset, anomalies, seed, kinds)
    return train_on(
        TrainingSet(fitted, held_out, known, dataset.train),
        detector=detector,
        out=out,
        backbone=backbone,
        weights=weights,
        preset=preset,
        settings=settings,
        seed=seed,
        review_rate=review_rate,
        reject_rate=reject_rate,
        device=device,
        runtime=runtime,
        threads=threads,
        progress=progress,
    )


def train_on(
    chosen: TrainingSet,
    *,
    detector: str,
    out: Path,
    backbone: str | None = None,
    weights: Path | None = None,
    preset: Preset = "fast",
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    review_rate: float = 0.05,
    reject_rate: float = 0.01,
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> TrainReport:
    """Train a detector on what somebody chose; otherwise as `train`.

    Args:
        chosen: what to fit on, to calibrate with, and to show as defective.
    """
    tell = progress or _tell_nobody
    kind = detector_class(detector)
    engine = choose_engine(device, runtime, threads)
    check_free(out)
    # Read before the backbone: a mask that does not fit is told at once.
    shown = [known_anomaly(sample) for sample in chosen.anomalies]
    model = kind.create(
        preset=preset, engine=engine, backbone=backbone, weights=weights, settings=settings
    )
    checkpoint = Checkpoint(
        unfinished_file(out),
        _fingerprint(chosen.good, model, shown, seed=seed, engine=asdict(engine)),
    )
    # Here, so that a detector that keeps no state does not remove another's at its end.
    if checkpoint.exists():
        log.info("training.resumed", file=str(checkpoint.file))

    started = time.perf_counter()
    training_data = TrainingData(
        normal=training_images(chosen.fitted, *model.parameters.input_size),
        held_out=training_images(chosen.held_out, *model.parameters.input_size),
        anomalies=shown,
    )
    model.fit(training_data, seed=seed, progress=tell, checkpoint=checkpoint)
    good = GoodImages(
        fitted=tuple(sample.name for sample in chosen.fitted),
        held_out=score_held_out(chosen.held_out, model, tell),
        review_rate=review_rate,
        reject_rate=reject_rate,
    )
    calibration, map_thresholds = good.calibrate()
    fit_seconds = time.perf_counter() - started

    manifest = Manifest(
        format=FORMAT,
        detector=model.name,
        backbone=model.parameters.backbone,
        weights_sha256=model.weights_sha256,
        input_height=model.parameters.input_height,
        input_width=model.parameters.input_width,
        hyperparameters=model.parameters.stored(),
        seed=seed,
        calibration=calibration,
        map_thresholds=map_thresholds,
        findings=model.findings,
        train_images=len(chosen.good),
        known_anomalies=[sample.name for sample in chosen.anomalies],
        files={},
        code_version=importlib.metadata.version("linewatch"),
    )

    def write(folder: Path) -> None:
        model.save(folder)
        good.save(folder)

    save_artifact(out, manifest, write)
    checkpoint.discard()
    _log_trained(manifest, out, fit_seconds)
    return TrainReport(
        detector=model.name,
        backbone=manifest.backbone,
        seed=seed,
        train_images=len(chosen.good),
        known_anomalies=len(chosen.anomalies),
        fit_seconds=round(fit_seconds, 3),
        peak_rss_mib=round(peak_rss_mib(), 1),
        threshold=calibration.thresholds.reject,
        model_dir=str(out),
    )


def unfinished_file(out: Path) -> Path:
    """Where the state of an unfinished training to `out` is kept."""
    return out.with_name(f".{out.name}.unfinished")


def _fingerprint(
    good: Sequence[Sample], model: Detector, shown: Sequence[KnownAnomaly], **more: Any
) -> str:
    """Tells trainings apart that must not go on with each other's unfinished state."""
    facts = {
        "detector": model.name,
        "parameters": asdict(model.parameters),
        "weights": model.weights_sha256,
        "images": [(sample.name, sample.path.stat().st_size) for sample in good],
        "anomalies": [(anomaly.name, _digest(anomaly)) for anomaly in shown],
        "code": importlib.metadata.version("linewatch"),
        **more,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _digest(anomaly: KnownAnomaly) -> str:
    """Of the pixels and of the mask, which somebody may have corrected since."""
    digest = hashlib.sha256(anomaly.image.tobytes())
    if anomaly.mask is not None:
        digest.update(anomaly.mask.tobytes())
    return digest.hexdigest()


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
