"""CutSwap and CutPaste as detectors: tuned, scored, stored, and taken up again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from models import checkpoint as checkpoint_module
from models.artifact import FORMAT, Manifest
from models.calibration import Calibration, Thresholds
from models.checkpoint import Checkpoint
from models.cutpaste.detector import CutPaste
from models.cutswap.detector import CutSwap
from models.detector import TrainingData, TrainingImages
from models.errors import ModelError, NotFittedError, WeightsError
from models.runtime import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "test_efficientnet"
ENGINE = Engine("cpu", "torch", 1)
SETTINGS: dict[str, Any] = {
    "input_height": 64,
    "input_width": 64,
    "window": 48,
    "updates": 3,
    "batch_images": 2,
    "head_width": 16,
    "train_batch_norm": True,
}
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_file(timm.create_model(NAME).state_dict(), folder / f"{NAME}.safetensors")
    return folder


def training_data(images: np.ndarray = IMAGES, count: int | None = None) -> TrainingData:
    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(images), 4):
            yield images[start : start + 4]

    given = TrainingImages(count or len(images), batches, lambda index: images[index])
    return TrainingData(given, given)


def ignore(stage: str, done: int, total: int) -> None:
    pass


def create(kind: type[CutSwap | CutPaste], weights: Path, **settings: Any) -> CutSwap | CutPaste:
    more = {"classifier": NAME} if kind is CutSwap else {}
    return kind.create(
        preset="fast",
        engine=ENGINE,
        backbone=NAME,
        weights=weights,
        settings=SETTINGS | more | settings,
    )


def manifest(detector: CutSwap | CutPaste) -> Manifest:
    return Manifest(
        format=FORMAT,
        detector=detector.name,
        backbone=detector.parameters.backbone,
        weights_sha256=detector.weights_sha256,
        input_height=64,
        input_width=64,
        hyperparameters=json.loads(json.dumps(detector.parameters.stored())),
        seed=0,
        calibration=Calibration(Thresholds(1, 2), 0.1, 0.1, 9),
        map_thresholds=Thresholds(1, 2),
        findings=json.loads(json.dumps(detector.findings)),
        train_images=6,
        known_anomalies=[],
        files={},
        code_version="",
    )


def written(detector: CutSwap | CutPaste, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    detector.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CutSwap, CutPaste])
def test_a_tuned_detector_is_stored_whole(
    kind: type[CutSwap | CutPaste], weights: Path, tmp_path: Path
) -> None:
    detector = create(kind, weights)
    detector.fit(training_data(), seed=0, progress=ignore)
    scores = detector.score(IMAGES[:3])

    files = written(detector, tmp_path / "model")
    loaded = kind.load(tmp_path / "model", manifest(detector), ENGINE)
    again = loaded.score(IMAGES[:3])

    assert scores.image_scores.shape == (3,)
    assert scores.anomaly_maps.shape == (3, 64, 64)
    np.testing.assert_array_equal(again.image_scores, scores.image_scores)
    np.testing.assert_array_equal(again.anomaly_maps, scores.anomaly_maps)
    assert loaded.findings == detector.findings
    assert loaded.parameters == detector.parameters
    # What is stored is the tuned backbone.
    stored = load_file(tmp_path / "model" / "backbone.safetensors")
    pretrained = load_file(weights / f"{NAME}.safetensors")
    differing = [
        name
        for name, value in stored.items()
        if name.startswith("_net.")
        and not torch.equal(value, pretrained[name.removeprefix("_net.")])
    ]
    assert any("running_var" in name for name in differing)
    assert any(name.endswith("conv_dw.weight") for name in differing)
    assert "patchcore.safetensors" in files
    with pytest.raises(NotFittedError, match="cannot be fitted: create a new one"):
        loaded.fit(training_data(), seed=0, progress=ignore)


@pytest.mark.slow
def test_a_stored_one_learns_and_forgets_images_as_patchcore_does(
    weights: Path, tmp_path: Path
) -> None:
    detector = create(CutPaste, weights)
    detector.fit(training_data(), seed=0, progress=ignore)
    files = written(detector, tmp_path / "model")
    loaded = CutPaste.load(tmp_path / "model", manifest(detector), ENGINE)
    new = 255 - IMAGES[:2]
    before = loaded.score(new).image_scores

    loaded.extend(training_data(new), known=len(IMAGES), seed=0, progress=ignore)

    after = loaded.score(new).image_scores
    assert (after < before).all()
    assert loaded.findings["bank_patches"] > detector.findings["bank_patches"]
    more = written(loaded, tmp_path / "more")
    assert more["backbone.safetensors"] == files["backbone.safetensors"]
    loaded.forget([len(IMAGES), len(IMAGES) + 1])
    assert (loaded.score(new).image_scores > after).all()
    source = load_file(tmp_path / "more" / "patchcore.safetensors")["source"]
    assert loaded.findings["bank_patches"] == int((source < len(IMAGES)).sum())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_stopped_or_not(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    told: list[str] = []

    def stop(stage: str, done: int, total: int) -> None:
        told.append(stage)
        if (stage, done) == ("tuning", 2):
            raise KeyboardInterrupt

    settings = {"saliency_strides": [8, 16], "coreset_fraction": 0.05}
    whole = create(CutSwap, weights, **settings)
    whole.fit(training_data(), seed=0, progress=ignore)
    stopped = create(CutSwap, weights, **settings)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(
            training_data(), seed=0, progress=stop, checkpoint=Checkpoint(tmp_path / "state", "a")
        )
    resumed = create(CutSwap, weights, **settings)
    resumed.fit(
        training_data(), seed=0, progress=ignore, checkpoint=Checkpoint(tmp_path / "state", "a")
    )

    assert list(dict.fromkeys(told)) == ["saliency", "tuning"]
    assert resumed.findings == whole.findings
    assert written(resumed, tmp_path / "resumed") == written(whole, tmp_path / "whole")
    # The one that was stopped would start anew where it is given no checkpoint.
    assert stopped._backbone is not None
    assert stopped._backbone.weights_sha256() == whole.weights_sha256
    findings = json.loads(json.dumps(whole.findings))
    assert findings["saliency_classifier"] == NAME
    assert findings["saliency_strides"] == [8, 16]
    assert findings["saliency_maps"] == 12
    assert (findings["updates"], findings["image_passes"]) == (3, 1.0)
    assert findings["bank_patches"] == int(6 * 64 * 0.05)
    assert sum(findings["anchor_rules"].values()) >= 12


@pytest.mark.slow
def test_the_papers_preset_takes_a_step_and_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    # ResNet18 and VGG16 with random weights, at a size that a test can afford.
    torch.manual_seed(0)
    for module in ("models.backbone", "models.classifier"):
        monkeypatch.setattr(f"{module}.load_weights", lambda *_: "random")
    detector = CutSwap.create(
        preset="paper",
        engine=ENGINE,
        settings={"input_height": 64, "input_width": 64, "updates": 1, "batch_images": 2},
    )

    detector.fit(training_data(IMAGES[:2]), seed=0, progress=ignore)
    scores = detector.score(IMAGES[2:4])

    assert detector.findings["saliency_classifier"] == "vgg16.tv_in1k"
    assert detector.findings["saliency_maps"] == 10
    # Layers 2 and 3, 128 and 256 channels, on the grid of 8 pixels a cell.
    assert detector.parameters.patchcore().embedding().strides == (8, 16)
    assert detector._patchcore is not None
    assert detector._patchcore._embedder.embed(IMAGES[:1]).shape == (1, 8, 8, 384)
    assert scores.anomaly_maps.shape == (2, 64, 64)
    assert np.isfinite(scores.image_scores).all()


def test_an_unfitted_detector_says_so(weights: Path, tmp_path: Path) -> None:
    detector = create(CutPaste, weights)

    with pytest.raises(NotFittedError, match="cutpaste has no memory bank: fit it first"):
        detector.score(IMAGES[:1])
    with pytest.raises(NotFittedError, match="cutpaste has no memory bank: fit it first"):
        detector.save(tmp_path)


def test_images_that_do_not_come_are_missed(weights: Path) -> None:
    with pytest.raises(ModelError, match="expected 9 training images, at least one, and got 6"):
        create(CutPaste, weights).fit(training_data(count=9), seed=0, progress=ignore)


def test_weights_of_the_classifier_are_asked_for(weights: Path) -> None:
    with pytest.raises(WeightsError, match="give a folder with weights of both, or set classifier"):
        create(CutSwap, weights, classifier="test_resnet")


def test_a_classifier_without_such_levels_is_refused(weights: Path) -> None:
    with pytest.raises(ModelError, match="levels at strides"):
        create(CutSwap, weights, saliency_strides=[8, 64])


def test_a_file_gives_both_where_they_are_the_same(weights: Path) -> None:
    detector = create(CutSwap, weights / f"{NAME}.safetensors")

    assert detector.findings["saliency_classifier"] == NAME
