"""SimpleNet as a whole, on a small backbone with random weights, and small pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch

from models import checkpoint as checkpoint_module
from models.artifact import FORMAT, Manifest
from models.backbone import Backbone
from models.calibration import Calibration, Thresholds
from models.checkpoint import Checkpoint
from models.detector import TrainingData, TrainingImages, detector_class
from models.embedder import embedding_graph
from models.errors import ArtifactError, NotFittedError
from models.runtime import Engine
from models.simplenet.detector import HEAD_FILE, SimpleNet
from models.simplenet.network import SimpleNetGraph, fold
from models.simplenet.parameters import PRESETS, SimpleNetParameters
from models.simplenet.scaling import Scaling
from models.simplenet.training import Training

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 64
OPENVINO, TORCH = Engine("cpu", "openvino", 1), Engine("cpu", "torch", 1)
#: timm's own for tests.
BACKBONE = "test_resnet"
PARAMETERS = SimpleNetParameters(
    backbone=BACKBONE, input_height=SIZE, input_width=SIZE, hidden=64, batch=256, steps=100
)


class StoppedError(Exception):
    """A person pressed Ctrl-C."""


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """A grey ground with a soft grain."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(120, 6, (count, SIZE // 4, SIZE // 4, 1)).repeat(4, 1).repeat(4, 2)
    return np.broadcast_to(grain, (count, SIZE, SIZE, 3)).clip(0, 255).astype(np.uint8)


def training_data(images: np.ndarray) -> TrainingData:
    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(images), 4):
            yield images[start : start + 4]

    given = TrainingImages(len(images), batches, lambda index: images[index])
    return TrainingData(given, given)


def ignore(stage: str, done: int, total: int) -> None:
    pass


def created(parameters: SimpleNetParameters = PARAMETERS) -> SimpleNet:
    torch.manual_seed(0)
    net = timm.create_model(BACKBONE, pretrained=False).eval()
    return SimpleNet(parameters, OPENVINO, "00", Backbone(BACKBONE, net, parameters.strides))


def fitted(seed: int = 0) -> SimpleNet:
    detector = created()
    detector.fit(training_data(pictures(10)), seed=seed, progress=ignore)
    return detector


def manifest(detector: SimpleNet) -> Manifest:
    return Manifest(
        format=FORMAT,
        detector=detector.name,
        backbone=detector.parameters.backbone,
        weights_sha256=detector.weights_sha256,
        input_height=detector.parameters.input_height,
        input_width=detector.parameters.input_width,
        hyperparameters=detector.parameters.stored(),
        seed=0,
        calibration=Calibration(Thresholds(1, 2), 0.1, 0.1, 9),
        map_thresholds=Thresholds(1, 2),
        findings=detector.findings,
        train_images=10,
        known_anomalies=[],
        files={},
        code_version="",
    )


@pytest.fixture(scope="module")
def trained() -> SimpleNet:
    return fitted()


def test_it_is_found_by_its_name() -> None:
    assert detector_class("simplenet") is SimpleNet


@pytest.mark.slow
def test_a_spot_is_more_anomalous_than_good_parts_and_lies_where_it_is(trained: SimpleNet) -> None:
    images = pictures(3, seed=1)
    images[2, 16:32, 40:56] = 220

    scores = trained.score(images)

    assert scores.image_scores[2] > scores.image_scores[:2].max() + 0.1
    row, column = np.unravel_index(scores.anomaly_maps[2].argmax(), (SIZE, SIZE))
    assert (8 <= row < 40, 32 <= column < 64) == (True, True)
    assert trained.findings["fakes_recognised"] > 0.5


@pytest.mark.slow
def test_the_image_score_is_that_of_the_worst_patch_before_smoothing(trained: SimpleNet) -> None:
    images = pictures(2, seed=1)

    scores = trained.score(images)

    assert scores.anomaly_maps.shape == (2, SIZE, SIZE)
    assert (scores.image_scores >= scores.anomaly_maps.max(axis=(1, 2))).all()


@pytest.mark.slow
def test_a_stored_model_gives_the_same_scores_in_both_runtimes(
    trained: SimpleNet, tmp_path: Path
) -> None:
    images = pictures(3, seed=2)
    trained.save(tmp_path)
    expected = trained.score(images)

    same, other = (
        SimpleNet.load(tmp_path, manifest(trained), engine) for engine in (OPENVINO, TORCH)
    )

    for loaded in (same.score(images), other.score(images)):
        np.testing.assert_allclose(loaded.image_scores, expected.image_scores, atol=1e-3)
        np.testing.assert_allclose(loaded.anomaly_maps, expected.anomaly_maps, atol=1e-3)
    assert same.findings == trained.findings


@pytest.mark.slow
def test_a_stopped_fit_ends_with_the_same_bytes_as_a_whole_one(
    trained: SimpleNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    data = training_data(pictures(10))

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "discriminator" and done > total // 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        created().fit(data, seed=0, progress=stop, checkpoint=Checkpoint(tmp_path / "state", "a"))
    resumed = created()
    resumed.fit(data, seed=0, progress=ignore, checkpoint=Checkpoint(tmp_path / "state", "a"))
    for folder, detector in ((tmp_path / "a", trained), (tmp_path / "b", resumed)):
        folder.mkdir()
        detector.save(folder)

    # The graph's text names its nodes by a counter of the process; its weights are the same.
    for name in (HEAD_FILE, "backbone.safetensors", "graph.bin"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert resumed.findings == trained.findings


@pytest.mark.slow
def test_a_damaged_head_is_refused(trained: SimpleNet, tmp_path: Path) -> None:
    trained.save(tmp_path)
    (tmp_path / HEAD_FILE).write_bytes(b"nonsense")

    with pytest.raises(ArtifactError, match="holds no discriminator"):
        SimpleNet.load(tmp_path, manifest(trained), TORCH)
    (tmp_path / HEAD_FILE).unlink()
    with pytest.raises(ArtifactError, match="train the model again"):
        SimpleNet.load(tmp_path, manifest(trained), OPENVINO)


def test_an_unfitted_detector_says_so(tmp_path: Path) -> None:
    detector = SimpleNet(SimpleNetParameters(), OPENVINO, "00")

    with pytest.raises(NotFittedError, match="fit it, or load a trained model"):
        detector.score(pictures(1))
    with pytest.raises(NotFittedError, match="fit it first"):
        detector.save(tmp_path)
    with pytest.raises(NotFittedError, match="create one"):
        detector.fit(training_data(pictures(1)), seed=0, progress=ignore)


@pytest.mark.slow
def test_the_fast_preset_is_created_with_packaged_weights() -> None:
    detector = SimpleNet.create(preset="fast", engine=OPENVINO, settings={"hidden": 64})

    assert detector.parameters == replace(PRESETS["fast"], hidden=64)
    assert len(detector.weights_sha256) == 64


@pytest.mark.slow
@torch.no_grad()
def test_the_paper_preset_takes_a_step_and_scores() -> None:
    """Random weights and a small picture; widths and modules are the paper's."""
    parameters = replace(PRESETS["paper"], epochs=1)
    torch.manual_seed(0)
    net = timm.create_model("wide_resnet50_2", pretrained=False).eval()
    backbone = Backbone("wide_resnet50_2", net, parameters.strides)
    embedding = embedding_graph(parameters.embedding(), backbone)
    images = torch.from_numpy(pictures(2))
    embeddings = embedding(images)
    scaling = Scaling(torch.zeros(1536), torch.eye(1536))

    training = Training(embeddings.numpy(), scaling, parameters, seed=0)
    before = {name: value.clone() for name, value in training.heads[0].named_parameters()}
    with torch.enable_grad():
        training.run(ignore)
    scores = SimpleNetGraph(embedding, fold(scaling, training.heads))(images)

    # Of 288 pixels the grid has 36 x 36; of the 64 here, 8 x 8.
    assert embeddings.shape == (2, SIZE // 8, SIZE // 8, 1536)
    assert training.epochs == 1  # two images, eight a batch: one step
    assert all(
        not value.equal(before[name]) for name, value in training.heads[0].named_parameters()
    )
    assert scores.shape == (2, SIZE // 8, SIZE // 8)
    assert scores.isfinite().all()
