"""Training of the flows on features simple enough to be made up: no backbone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models import checkpoint as checkpoint_module
from models.bgad.constants import Constants
from models.bgad.level import LevelFlow, build_levels, levels_to_bytes, restore_levels
from models.bgad.material import Material
from models.bgad.parameters import BgadParameters
from models.bgad.training import FlowTraining, train_levels
from models.checkpoint import Checkpoint
from models.detector import KnownAnomaly, TrainingData, TrainingImages
from models.errors import ArtifactError, DivergedError, SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from models.detector import Progress

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 16
CHANNELS = (3, 6)
PARAMETERS = replace(
    BgadParameters(),
    strides=(2, 4),
    input_height=SIZE,
    input_width=SIZE,
    blocks=2,
    position_channels=4,
    meta_epochs=6,
    normal_epochs=1,
    position_batch=64,
    mini_batches=4,
    learning_rate=1e-2,
    contrast=1.0,
)


def encode(images: np.ndarray) -> list[np.ndarray]:
    """Two levels: mean colours of 2 x 2 pixels; those of 4 x 4 pixels and their brightest."""
    values = images.astype(np.float32) / 64 - 2

    def cells(step: int) -> np.ndarray:
        count, height, width, _ = values.shape
        return values.reshape(count, height // step, step, width // step, step, 3)

    coarse = cells(4)
    return [
        cells(2).mean(axis=(2, 4)),
        np.concatenate([coarse.mean(axis=(2, 4)), coarse.max(axis=(2, 4))], axis=3),
    ]


def good(seed: int) -> np.ndarray:
    """Dark on the left, bright on the right, and grainy."""
    image = np.random.default_rng(seed).integers(70, 110, (SIZE, SIZE, 3), dtype=np.uint8)
    image[:, SIZE // 2 :] += 60
    return image


def defective(*, drawn: bool = True) -> KnownAnomaly:
    image, mask = good(99), np.zeros((SIZE, SIZE), dtype=bool)
    mask[4:8, 8:12] = True
    image[mask] = 190  # good ones end at 169
    return KnownAnomaly("bad", image, mask if drawn else None)


def images(*given: np.ndarray) -> TrainingImages:
    def batches() -> Iterator[np.ndarray]:
        for image in given:
            yield image[None]

    return TrainingImages(len(given), batches, lambda index: given[index])


NORMAL, HELD_OUT = images(*map(good, range(8))), images(good(50), good(51))


RNG = np.random.default_rng(0)


def ignore(stage: str, done: int, total: int) -> None:
    pass


def trained(
    *anomalies: KnownAnomaly,
    parameters: BgadParameters = PARAMETERS,
    seed: int = 0,
    progress: Progress = ignore,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[LevelFlow], list[np.ndarray]]:
    return train_levels(
        encode,
        CHANNELS,
        TrainingData(NORMAL, HELD_OUT, anomalies),
        parameters,
        seed=seed,
        device="cpu",
        progress=progress,
        checkpoint=checkpoint,
    )


def weights(levels: list[LevelFlow]) -> bytes:
    return levels_to_bytes(levels, Constants([0.0, 0.0], [0.0, 0.0]))


def at_the_defect(levels: list[LevelFlow], image: np.ndarray) -> np.ndarray:
    """Mean log-likelihood, in each level, of the cells where `defective` images are so."""
    fine, coarse = (
        level.maps(features.astype(np.float16))[0]
        for level, features in zip(levels, encode(image[None]), strict=True)
    )
    return np.array([fine[2:4, 4:6].mean(), coarse[1, 2]])


def test_good_images_become_more_likely_than_by_scaling_alone() -> None:
    untrained, _ = trained(parameters=replace(PARAMETERS, learning_rate=1e-9))

    levels, _ = trained(parameters=replace(PARAMETERS, meta_epochs=20, mini_batches=8))

    assert (at_the_defect(levels, good(50)) > at_the_defect(untrained, good(50)) + 0.1).all()


def test_known_anomalies_are_pushed_away() -> None:
    anomaly = defective()
    parameters = replace(PARAMETERS, meta_epochs=16, mini_batches=8, rare_share=None)

    without, _ = trained(parameters=parameters)
    shown, _ = trained(anomaly, parameters=parameters)

    before = at_the_defect(without, anomaly.image) - at_the_defect(without, good(50))
    after = at_the_defect(shown, anomaly.image) - at_the_defect(shown, good(50))
    assert (after < before - 0.3).all()


def test_an_anomaly_that_nobody_drew_is_pushed_where_it_is_least_likely() -> None:
    anomaly = defective(drawn=False)
    material = Material(
        encode, TrainingData(NORMAL, HELD_OUT, [anomaly]), PARAMETERS, seed=0, progress=ignore
    )
    levels = build_levels(CHANNELS, PARAMETERS)

    # Of the fine level's 64 cells 1 is taken, and the other good images are whole.
    fine, _ = material.all_positions(1, levels)
    batch = next(fine.mini_batches(np.array([8]), replace(PARAMETERS, abnormal_share=None), RNG))

    features = encode(anomaly.image[None])[0].astype(np.float16)
    assert fine.count == 8 + PARAMETERS.repeats
    assert batch.abnormal.all()
    assert set(batch.cells.tolist()) == {int(levels[0].maps(features).argmin())}


def test_without_push_pull_anomalies_change_nothing() -> None:
    parameters = replace(PARAMETERS, push_pull=False)

    assert weights(trained(defective(), parameters=parameters)[0]) == weights(trained()[0])


def test_pseudo_anomalies_can_be_left_out() -> None:
    def entries(**changes: object) -> int:
        material = Material(
            encode,
            TrainingData(NORMAL, HELD_OUT, [defective()]),
            replace(PARAMETERS, **changes),
            seed=0,
            progress=ignore,
        )
        return material.all_positions(1, build_levels(CHANNELS, PARAMETERS))[0].count

    # Eight good images, the known one five times, three made of it.
    assert entries(repeats=5, pseudo_per_anomaly=3) == 16
    assert entries(repeats=5, pseudo_anomalies=False) == 13
    assert entries(repeats=1, pseudo_per_anomaly=2) == 11


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = (weights(trained(defective(), seed=seed)[0]) for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize("drawn", [True, False])
def test_a_stopped_training_goes_on_to_the_same_bytes(
    drawn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    anomaly = defective(drawn=drawn)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "flows" and done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(anomaly, progress=stop, checkpoint=Checkpoint(tmp_path / "state", "a"))
    told: list[int] = []
    resumed, _ = trained(
        anomaly,
        progress=lambda stage, done, total: told.append(done) if stage == "flows" else None,
        checkpoint=Checkpoint(tmp_path / "state", "a"),
    )

    assert told == [4, 5, 6]
    assert weights(resumed) == weights(trained(anomaly)[0])


def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    checkpoint = Checkpoint(tmp_path / "state", "a")

    def spoil(stage: str, done: int, total: int) -> None:
        # After the second pass of six the flows are broken from outside.
        if stage == "flows" and done == 3:
            with torch.no_grad():
                next(training.levels[1].flow.parameters()).fill_(float("nan"))

    levels = build_levels(CHANNELS, PARAMETERS)
    training = FlowTraining(levels, PARAMETERS, seed=0)
    material = Material(encode, TrainingData(NORMAL, HELD_OUT), PARAMETERS, seed=0, progress=ignore)

    with pytest.raises(DivergedError, match=r"stage flows, meta epoch 3.*stride 4.*learning_rate"):
        training.run(material, progress=spoil, checkpoint=checkpoint)


def test_too_few_positions_are_an_error_before_training() -> None:
    parameters = replace(PARAMETERS, mini_batches=None, image_batch=4, position_batch=128)

    # 4 images of 8 x 8 cells give 256 positions; of 4 x 4 cells 64.
    with pytest.raises(
        SettingError, match="stride 4 has 16 positions an image, 64 in a batch of 4"
    ):
        trained(parameters=parameters)


def test_flows_survive_their_file() -> None:
    levels, _ = trained()

    restored = restore_levels(CHANNELS, PARAMETERS, weights(levels))

    assert weights(restored) == weights(levels)
    np.testing.assert_array_equal(at_the_defect(restored, good(3)), at_the_defect(levels, good(3)))


def test_flows_of_other_parameters_are_refused() -> None:
    levels = build_levels(CHANNELS, PARAMETERS)

    with pytest.raises(ArtifactError, match="not those of the manifest's hyper-parameters"):
        restore_levels(CHANNELS, replace(PARAMETERS, blocks=3), weights(levels))


@pytest.mark.parametrize(("kind", "covariance"), [("channel", False), ("whiten", True)])
def test_scaling_takes_away_what_it_says(kind: str, covariance: bool) -> None:
    level = LevelFlow(3, (8, 8), PARAMETERS, seed=0)
    rng = np.random.default_rng(0)
    mix = [[1, 0.5, 0], [0, 2, -1], [0.3, 0, 1]]
    mixed = rng.normal(size=(40, 8, 8, 3)) @ mix + [3, -1, 0.5]

    level.fit_scaling(mixed.astype(np.float16), kind, seed=0)

    scaled = (torch.from_numpy(mixed).float() - level.mean) @ level.scale
    found = torch.cov(scaled.reshape(-1, 3).T)
    torch.testing.assert_close(found.diagonal(), torch.ones(3), atol=0.02, rtol=0)
    if covariance:
        torch.testing.assert_close(found, torch.eye(3), atol=0.02, rtol=0)
