"""A trained model with some good images more, or some fewer; the others are not needed for it.

The given model is left as it is: the changed one is another artifact, written all at once.
"""

from __future__ import annotations

import difflib
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import structlog

from models.artifact import check_free, save_artifact, verify
from models.detector import Detector, TrainingData, detector_class
from models.errors import DatasetError, ModelError
from models.good_images import GoodImages, score_held_out
from models.runtime import choose_engine
from models.splitting import split_held_out
from models.training_data import training_images

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.artifact import Manifest
    from models.datasets import Sample
    from models.detector import Progress

log = structlog.get_logger()

#: Names shown of many.
_SHOWN = 3


@runtime_checkable
class Extendable(Detector, Protocol):
    """A detector that learns and forgets single images; `PatchCore` is one."""

    def extend(self, data: TrainingData, *, known: int, seed: int, progress: Progress) -> None:
        """Learn new images; it was fitted on `known` ones before."""
        ...

    def forget(self, images: Sequence[int]) -> None:
        """Forget images by their places in the fit; those behind them move up."""
        ...


@dataclass(frozen=True)
class ChangeReport:
    """What became of a model; the keys of `extend --json`."""

    #: Name of the method.
    detector: str
    #: Good images the model rested on, those held out for the thresholds included.
    train_images_before: int
    #: The same from now on.
    train_images: int
    #: From reading the model to the written one.
    seconds: float
    #: Raw image score from which a part was rejected.
    threshold_before: float
    #: The same from now on.
    threshold: float
    #: The folder written.
    model_dir: str

    def to_json(self) -> dict[str, Any]:
        """The report as `extend --json` writes it."""
        return asdict(self)


@dataclass(frozen=True)
class _Opened:
    """A model to be changed."""

    manifest: Manifest
    detector: Extendable
    good: GoodImages
    started: float


def extend(
    model_dir: Path,
    samples: Sequence[Sample],
    *,
    out: Path,
    seed: int = 0,
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> ChangeReport:
    """Add good images to a trained model and write the result to `out`.

    A fifth of the new images is held out. The thresholds come from their scores and from those that
    the images held out before had by then: at the rates the model was trained with.

    Args:
        model_dir: what `train` wrote, or this.
        samples: the new images, at least two.
        out: folder to write; must not exist, or be empty.
        seed: of every random choice.
        device: auto, cpu or cuda.
        runtime: auto, openvino or torch.
        threads: CPU threads; None leaves it to the libraries.
        progress: told the stage, what is done of it, and its total.

    Raises:
        DatasetError: if there are fewer than two, or the model has images of these names.
        ModelError: if the detector cannot be extended, or the model does not say what it rests on.
            Nothing is left in `out` then.
    """
    tell = progress or (lambda *_: None)
    check_free(out)
    model = _open(model_dir, device, runtime, threads)
    _check_new([sample.name for sample in samples], model.good, model_dir)
    fitted, held_out = split_held_out(samples, seed)
    size = model.detector.parameters.input_size
    data = TrainingData(training_images(fitted, *size), training_images(held_out, *size))
    known = len(model.good.fitted)
    model.detector.extend(data, known=known, seed=seed, progress=tell)
    scored = score_held_out(held_out, model.detector, tell)
    good = replace(
        model.good,
        fitted=(*model.good.fitted, *(sample.name for sample in fitted)),
        held_out=model.good.held_out + scored,
    )
    return _write(model, good, out)


def forget(
    model_dir: Path,
    names: Sequence[str],
    *,
    out: Path,
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
) -> ChangeReport:
    """Take good images out of a trained model and write the result to `out`.

    What only they showed is anomalous from then on. The thresholds stay, unless one of them was
    held out: then they come from the scores of the others that were.

    Args:
        model_dir: what `train` or `extend` wrote.
        names: of their samples: paths below the data folder, as `train/good/000.png`.
        out: folder to write; must not exist, or be empty.
        device: auto, cpu or cuda.
        runtime: auto, openvino or torch.
        threads: CPU threads; None leaves it to the libraries.

    Raises:
        DatasetError: if the model has no image of such a name.
        ModelError: if nothing would remain to compare with or to calibrate on, the detector cannot
            forget, or the model does not say what it rests on. Nothing is left in `out` then.
    """
    check_free(out)
    model = _open(model_dir, device, runtime, threads)
    gone = set(names)
    _check_known(gone, model.good, model_dir)
    held_out = tuple(image for image in model.good.held_out if image.name not in gone)
    if not held_out:
        raise ModelError(
            f"{model_dir} would keep no held-out image to take its thresholds from: forget fewer, "
            "or train a new model"
        )
    places = [place for place, name in enumerate(model.good.fitted) if name in gone]
    if places:
        model.detector.forget(places)
    fitted = tuple(name for name in model.good.fitted if name not in gone)
    return _write(model, replace(model.good, fitted=fitted, held_out=held_out), out)


def _open(model_dir: Path, device: str, runtime: str, threads: int | None) -> _Opened:
    started = time.perf_counter()
    manifest = verify(model_dir)
    engine = choose_engine(device, runtime, threads)
    detector = detector_class(manifest.detector).load(model_dir, manifest, engine)
    if not isinstance(detector, Extendable):
        raise ModelError(
            f"{model_dir} is a {manifest.detector} model, which learns from all its images at once:"
            " train it again with the images it should have; patchcore, cutpaste and cutswap can "
            "be extended and forget"
        )
    good = GoodImages.load(model_dir)
    return _Opened(manifest, detector, good, started)


def _check_new(names: Sequence[str], good: GoodImages, model_dir: Path) -> None:
    known = set(good.names)
    repeated = [name for name in names if name in known]
    if repeated:
        raise DatasetError(
            f"{model_dir} has {len(repeated)} image(s) of these names already, as "
            f"{', '.join(repeated[:_SHOWN])}: give new images only, under names of their own"
        )


def _check_known(names: set[str], good: GoodImages, model_dir: Path) -> None:
    unknown = sorted(names - set(good.names))
    if unknown:
        near = difflib.get_close_matches(unknown[0], good.names, n=_SHOWN, cutoff=0.4)
        raise DatasetError(
            f"{model_dir} has no image {unknown[0]!r}: try {', '.join(near or good.names[:_SHOWN])}"
        )


def _write(model: _Opened, good: GoodImages, out: Path) -> ChangeReport:
    calibration, map_thresholds = good.calibrate()
    manifest = replace(
        model.manifest,
        calibration=calibration,
        map_thresholds=map_thresholds,
        findings=model.detector.findings,
        train_images=len(good.names),
    )

    def write(folder: Path) -> None:
        model.detector.save(folder)
        good.save(folder)

    save_artifact(out, manifest, write)
    report = ChangeReport(
        detector=manifest.detector,
        train_images_before=model.manifest.train_images,
        train_images=manifest.train_images,
        seconds=round(time.perf_counter() - model.started, 3),
        threshold_before=model.manifest.thresholds.reject,
        threshold=manifest.thresholds.reject,
        model_dir=str(out),
    )
    log.info("model.changed", **report.to_json())
    return report
