"""BGAD from pixels to scores, on a small backbone with random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch

from models.artifact import FORMAT, Manifest
from models.backbone import Backbone
from models.bgad.detector import FLOWS_FILE, Bgad
from models.bgad.graph import LogUpsample, ScoreGraph
from models.bgad.level import build_levels
from models.bgad.parameters import PRESETS, BgadParameters
from models.bgad.training import train_levels
from models.calibration import Calibration, Thresholds
from models.detector import KnownAnomaly, TrainingData, TrainingImages
from models.errors import ArtifactError, ModelError, NotFittedError
from models.features import LevelsGraph
from models.preprocessing import to_batch
from models.runtime import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A net of five blocks, quick to convert.
BACKBONE = "test_efficientnet"
SIZE = 32
PARAMETERS = replace(
    BgadParameters(),
    backbone=BACKBONE,
    input_height=SIZE,
    input_width=SIZE,
    strides=(4, 8),
    blocks=2,
    position_channels=8,
    meta_epochs=3,
    normal_epochs=1,
    position_batch=128,
    mini_batches=2,
)
OPENVINO, TORCH = Engine("cpu", "openvino", 1), Engine("cpu", "torch", 1)


def backbone(name: str, strides: tuple[int, ...]) -> Backbone:
    torch.manual_seed(0)
    return Backbone(name, timm.create_model(name).eval(), strides)


def grain(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(90, 160, (SIZE, SIZE, 3), dtype=np.uint8)


def images(*seeds: int) -> TrainingImages:
    def batches() -> Iterator[np.ndarray]:
        for seed in seeds:
            yield grain(seed)[None]

    return TrainingImages(len(seeds), batches, lambda index: grain(seeds[index]))


def scratched() -> KnownAnomaly:
    image, mask = grain(77), np.zeros((SIZE, SIZE), dtype=bool)
    mask[10:14, 4:25] = True
    image[mask] = 250
    return KnownAnomaly("scratch", image, mask)


DATA = TrainingData(images(*range(6)), images(40, 41), [scratched()])


def ignore(stage: str, done: int, total: int) -> None:
    pass


def fitted(engine: Engine = OPENVINO, seed: int = 0, data: TrainingData = DATA) -> Bgad:
    net = backbone(PARAMETERS.backbone, PARAMETERS.strides)
    detector = Bgad.on_backbone(PARAMETERS, net, engine)
    detector.fit(data, seed=seed, progress=ignore)
    return detector


def manifest(detector: Bgad) -> Manifest:
    return Manifest(
        format=FORMAT,
        detector="bgad",
        backbone=detector.parameters.backbone,
        weights_sha256=detector.weights_sha256,
        input_height=SIZE,
        input_width=SIZE,
        hyperparameters=detector.parameters.stored(),
        seed=0,
        calibration=Calibration(Thresholds(1, 2), 0.1, 0.1, 9),
        map_thresholds=Thresholds(1, 2),
        findings={},
        train_images=8,
        known_anomalies=[],
        files={},
        code_version="",
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bgad, Path]:
    detector, folder = fitted(), tmp_path_factory.mktemp("bgad")
    detector.save(folder)
    return detector, folder


@pytest.mark.slow
def test_scores_are_maps_and_their_largest_value(saved: tuple[Bgad, Path]) -> None:
    scores = saved[0].score(np.stack([grain(50), scratched().image, grain(51)]))

    assert scores.anomaly_maps.shape == (3, SIZE, SIZE)
    assert np.isfinite(scores.anomaly_maps).all()
    np.testing.assert_array_equal(scores.image_scores, scores.anomaly_maps.max(axis=(1, 2)))
    assert scores.image_scores.argmax() == 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", [OPENVINO, TORCH])
def test_a_loaded_model_gives_the_same_scores(engine: Engine, saved: tuple[Bgad, Path]) -> None:
    detector, folder = saved
    batch = np.stack([grain(50), scratched().image])

    loaded = Bgad.load(folder, manifest(detector), engine)

    found, expected = loaded.score(batch).anomaly_maps, detector.score(batch).anomaly_maps
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=2e-5)
    assert loaded.findings == detector.findings


@pytest.mark.slow
def test_a_loaded_model_saves_the_same_files(saved: tuple[Bgad, Path], tmp_path: Path) -> None:
    detector, folder = saved

    Bgad.load(folder, manifest(detector), OPENVINO).save(tmp_path)

    names = sorted(path.name for path in folder.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all((tmp_path / n).read_bytes() == (folder / n).read_bytes() for n in names)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(saved: tuple[Bgad, Path], tmp_path: Path) -> None:
    fitted().save(tmp_path)

    for path in saved[1].iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
def test_the_boundary_is_found_and_told_as_a_score(saved: tuple[Bgad, Path]) -> None:
    detector, _ = saved

    findings = detector.findings

    assert len(findings["normal_boundary"]) == len(PARAMETERS.strides)
    for normal, abnormal in zip(
        findings["normal_boundary"], findings["abnormal_boundary"], strict=True
    ):
        assert normal - abnormal == pytest.approx(PARAMETERS.tau, abs=2e-6)
    held_out = detector.score(np.stack([grain(40), grain(41)])).anomaly_maps
    # A position on the boundary is among the least likely hundredth of each level.
    assert np.quantile(held_out, 0.9) < findings["boundary_score"]


@pytest.mark.slow
def test_files_of_another_detector_are_refused(saved: tuple[Bgad, Path], tmp_path: Path) -> None:
    (tmp_path / FLOWS_FILE).write_bytes(b"nonsense")

    with pytest.raises(ArtifactError, match=r"holds no flows.*train the model again"):
        Bgad.load(tmp_path, manifest(saved[0]), OPENVINO)


@torch.inference_mode()
def test_flows_score_what_they_were_trained_on() -> None:
    parameters = replace(PARAMETERS, strides=(8,), neighbourhood=3)
    net = backbone(BACKBONE, (8,))
    (level,) = build_levels(net.channels, parameters, seed=0)
    batch = torch.from_numpy(np.stack([grain(1), grain(2)]))

    scores = ScoreGraph(net, [level], [0.5], parameters)(batch)

    (features,) = LevelsGraph(net, 3)(batch)
    expected = LogUpsample(level.grid, SIZE, SIZE)(level.maps(features.numpy()) - 0.5)
    torch.testing.assert_close(scores, -expected, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_the_paper_preset_takes_a_step_and_scores() -> None:
    # The published network and size, with random weights; fewer and smaller steps.
    parameters = replace(
        PRESETS["paper"],
        meta_epochs=2,
        sub_epochs=1,
        image_batch=2,
        position_batch=512,
        repeats=1,
        pseudo_per_anomaly=1,
    )
    net = backbone(parameters.backbone, parameters.strides)

    @torch.inference_mode()
    def encode(batch: np.ndarray) -> list[np.ndarray]:
        levels = net(torch.from_numpy(to_batch(list(batch), 256, 256)))
        return [level.permute(0, 2, 3, 1).numpy() for level in levels]

    levels, maps = train_levels(
        encode,
        net.channels,
        TrainingData(images(0, 1), images(40), [scratched()]),
        parameters,
        seed=0,
        device="cpu",
        progress=ignore,
    )

    assert [level.shape for level in maps] == [(1, 64, 64), (1, 32, 32), (1, 16, 16)]
    start = build_levels(net.channels, parameters, seed=0)
    for level, first in zip(levels, start, strict=True):
        assert not torch.equal(next(level.flow.parameters()), next(first.flow.parameters()))
    graph = ScoreGraph(net, levels, [float(level.max()) for level in maps], parameters)
    scores = graph(torch.from_numpy(to_batch([grain(50)], 256, 256)))
    assert scores.shape == (1, 256, 256)
    assert torch.isfinite(scores).all()


def test_without_held_out_images_there_are_no_constants() -> None:
    detector = Bgad(PARAMETERS, OPENVINO, "00")

    with pytest.raises(ModelError, match="no good images are held out"):
        detector.fit(TrainingData(images(0), images()), seed=0, progress=ignore)


def test_an_unfitted_detector_says_so(tmp_path: Path) -> None:
    detector = Bgad(PARAMETERS, OPENVINO, "00")

    with pytest.raises(NotFittedError, match="fit it, or load a trained model"):
        detector.score(grain(0)[None])
    with pytest.raises(NotFittedError, match="fit it first"):
        detector.save(tmp_path)
    assert detector.findings == {}
