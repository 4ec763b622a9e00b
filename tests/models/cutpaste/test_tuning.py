"""Tuning of a backbone, on a tiny random one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from models import checkpoint as checkpoint_module
from models.backbone import Backbone
from models.checkpoint import Checkpoint
from models.cutpaste.batches import Batches
from models.cutpaste.parameters import CutPasteParameters
from models.cutpaste.tuning import Tuning, projection_head
from models.errors import DivergedError

if TYPE_CHECKING:
    from pathlib import Path

    from models.detector import Progress

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "test_efficientnet"
PARAMETERS = CutPasteParameters(
    backbone=NAME,
    input_height=48,
    input_width=64,
    window=32,
    updates=4,
    batch_images=2,
    head_width=16,
    backbone_lr=0.03,
    train_batch_norm=True,
)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 48, 64, 3), dtype=np.uint8)


class Darkening:
    """Wrong images that can be told by eye; of every third image none can be made."""

    def __init__(self) -> None:
        self.tally: Counter[str] = Counter()
        self.findings: dict[str, Any] = {}

    def __call__(
        self, image: np.ndarray, index: int, rng: np.random.Generator
    ) -> list[np.ndarray] | None:
        self.tally[f"image {index}"] += 1
        return None if index == 3 else [image // 2, image // 4]


def backbone(parameters: CutPasteParameters = PARAMETERS) -> Backbone:
    torch.manual_seed(0)
    return Backbone(NAME, timm.create_model(NAME), parameters.tuned_strides)


def tuning(parameters: CutPasteParameters = PARAMETERS, seed: int = 0) -> Tuning:
    batches = Batches(IMAGES, Darkening(), parameters, seed)
    return Tuning(backbone(parameters), batches, parameters, seed=seed)


def ignore(stage: str, done: int, total: int) -> None:
    pass


def stop_at(update: int) -> Progress:
    def tell(stage: str, done: int, total: int) -> None:
        if done == update:
            raise KeyboardInterrupt

    return tell


def state(of: Tuning) -> dict[str, torch.Tensor]:
    return of._backbone.state_dict() | of._head.state_dict()


def test_tuning_changes_the_backbone_above_its_frozen_level_only() -> None:
    before = backbone().state_dict()
    tuned = tuning()

    tuned.run(ignore, None)

    after = tuned._backbone.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    levels = backbone()
    fine, *coarse = levels(torch.zeros(1, 64, 64, 3))
    levels.load_state_dict(after)
    fine_after, *coarse_after = levels(torch.zeros(1, 64, 64, 3))
    assert any("running_mean" in name for name in changed)
    assert any(name.endswith("weight") for name in changed)
    assert torch.equal(fine, fine_after)
    assert not any(map(torch.equal, coarse, coarse_after))


def test_batch_normalisation_is_frozen_afterwards() -> None:
    tuned = tuning()

    tuned.run(ignore, None)

    assert not any(module.training for module in tuned._backbone.modules())
    assert not any(parameter.requires_grad for parameter in tuned._backbone.parameters())


def test_all_of_the_backbone_can_be_tuned() -> None:
    parameters = replace(PARAMETERS, frozen_stride=None)
    before = backbone(parameters).state_dict()
    tuned = tuning(parameters)

    tuned.run(ignore, None)

    after = tuned._backbone.state_dict()
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert kept == {"mean", "std"}


def test_batch_normalisation_can_keep_imagenets_statistics() -> None:
    parameters = replace(PARAMETERS, train_batch_norm=False)
    before = backbone().state_dict()
    tuned = tuning(parameters)

    tuned.run(ignore, None)

    for name, value in tuned._backbone.state_dict().items():
        if "running" in name:
            assert torch.equal(value, before[name]), name


def test_the_backbone_can_wait_for_the_head() -> None:
    before = backbone().state_dict()
    tuned = tuning(replace(PARAMETERS, head_only_updates=4))

    tuned.run(ignore, None)

    assert all(
        torch.equal(before[name], value) for name, value in tuned._backbone.state_dict().items()
    )


def test_wrong_images_become_known() -> None:
    tuned = tuning(replace(PARAMETERS, updates=30, batch_images=4))

    told = tuned.run(ignore, None)

    # By chance it would be a third.
    assert told["tuning_accuracy"] > 0.9
    assert told["updates"] == 30
    assert told["image_passes"] == 30 * 4 / 5


def test_the_learning_rates_fall_along_one_cosine() -> None:
    tuned = tuning(replace(PARAMETERS, lr=0.1, backbone_lr=0.01))
    rates = []

    def tell(stage: str, done: int, total: int) -> None:
        rates.append([group["lr"] for group in tuned._optimizer.param_groups])

    tuned.run(tell, None)

    # (1 + cos(pi k / 4)) / 2 for k = 0 to 3.
    shares = np.array([1.0, 0.853553, 0.5, 0.146447])
    np.testing.assert_allclose(rates, np.outer(shares, [0.1, 0.01]), rtol=1e-5)


def test_a_tuning_goes_on_as_if_it_had_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    whole = tuning()
    told = whole.run(ignore, None)

    with pytest.raises(KeyboardInterrupt):
        tuning().run(stop_at(2), Checkpoint(tmp_path / "state", "a"))
    resumed = tuning()
    told_again = resumed.run(ignore, Checkpoint(tmp_path / "state", "a"))

    assert told_again == told
    assert resumed._batches.augment.tally == whole._batches.augment.tally
    for name, value in state(whole).items():
        assert torch.equal(value, state(resumed)[name]), name


def test_a_finished_tuning_is_not_done_again(tmp_path: Path) -> None:
    tuning().run(ignore, Checkpoint(tmp_path / "state", "a"))
    steps: list[int] = []

    tuning().run(lambda _, done, __: steps.append(done), Checkpoint(tmp_path / "state", "a"))

    assert steps == []


def test_the_seed_decides_everything() -> None:
    first, again, other = tuning(), tuning(), tuning(seed=1)
    for one in (first, again, other):
        one.run(ignore, None)

    values = [
        torch.cat([v.flatten().float() for v in state(x).values()]) for x in (first, again, other)
    ]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


def test_a_loss_that_is_no_number_stops_the_tuning_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    checkpoint = Checkpoint(tmp_path / "state", "a")
    tuned = tuning()

    def poison(stage: str, done: int, total: int) -> None:
        if done == 3:
            nn.init.constant_(tuned._head[0].weight, float("nan"))

    with pytest.raises(DivergedError, match=r"the loss is nan at update 4 of 4 \(pass 2 over"):
        tuned.run(poison, checkpoint)

    fresh = tuning()
    fresh._restore(checkpoint)
    assert fresh._course.updates == 3
    assert all(torch.isfinite(value).all() for value in state(fresh).values())


def test_weights_that_are_no_numbers_are_never_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    checkpoint = Checkpoint(tmp_path / "state", "a")

    # The step overflows, the loss before it did not.
    with pytest.raises(DivergedError, match="is not finite at update 2 of 4"):
        tuning(replace(PARAMETERS, lr=1e38, weight_decay=1e38)).run(ignore, checkpoint)

    assert not checkpoint.file.exists()


def test_gradients_can_be_clipped() -> None:
    free, clipped = tuning(), tuning(replace(PARAMETERS, clip_norm=1e-3))
    for one in (free, clipped):
        one.run(ignore, None)

    start = tuning()
    moved = [
        sum(float((state(one)[n] - v).square().sum()) for n, v in start._head.state_dict().items())
        for one in (free, clipped)
    ]
    assert moved[1] < moved[0]


def test_the_head_has_as_many_layers_as_wanted() -> None:
    head = projection_head(24, 3, replace(PARAMETERS, head_layers=2, head_width=512))

    widths = [
        (layer.in_features, layer.out_features) for layer in head if isinstance(layer, nn.Linear)
    ]
    assert widths == [(24, 512), (512, 512), (512, 128), (128, 3)]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in head) == 3
