"""Training on embeddings that are drawn, not extracted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save

from models import checkpoint as checkpoint_module
from models.checkpoint import Checkpoint
from models.errors import DivergedError
from models.simplenet.network import fold
from models.simplenet.parameters import SimpleNetParameters
from models.simplenet.scaling import choose_scaling
from models.simplenet.training import Outcome, Training

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = SimpleNetParameters(
    scaling="standard",
    adaptor=True,
    noise_kind="gaussian",
    noise=1.0,
    noise_up_to=1.0,
    heads=1,
    hidden=32,
    batch=64,
    steps=40,
    learning_rate=1e-3,
)


class StoppedError(Exception):
    """A person pressed Ctrl-C."""


def embeddings(images: int = 6) -> np.ndarray:
    """(images, 4, 4, 8): patches near a plane of three dimensions."""
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(3, 8))
    patches = rng.normal(size=(images, 4, 4, 3)) @ plane + 0.1 * rng.normal(size=(images, 4, 4, 8))
    return patches.astype(np.float16)


def training(parameters: SimpleNetParameters = PARAMETERS, seed: int = 0) -> Training:
    patches = embeddings()
    scaling = choose_scaling(
        patches.reshape(-1, 8), parameters.scaling, shrinkage=parameters.shrinkage, seed=seed
    )
    return Training(patches, scaling, parameters, seed=seed)


def ignore(stage: str, done: int, total: int) -> None:
    pass


def weights(trained: Training) -> bytes:
    return b"".join(save(head.state_dict()) for head in trained.heads)


def test_good_and_noisy_patches_are_told_apart() -> None:
    outcome = training(replace(PARAMETERS, steps=300)).run(ignore)

    assert outcome.goods_recognised > 0.9
    assert outcome.fakes_recognised > 0.9
    assert outcome.loss < 0.3


@pytest.mark.parametrize("batch_of", ["images", "patches"])
def test_the_same_seed_gives_the_same_bytes(batch_of: str) -> None:
    parameters = replace(PARAMETERS, batch_of=batch_of, batch=3 if batch_of == "images" else 64)
    runs = [training(parameters, seed) for seed in (1, 1, 2)]
    for run in runs:
        torch.rand(1)  # the global state is nobody's business
        run.run(ignore)

    assert weights(runs[0]) == weights(runs[1])
    assert weights(runs[0]) != weights(runs[2])


@pytest.mark.parametrize("heads", [1, 2])
def test_a_stopped_training_goes_on_to_the_same_bytes(
    heads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    parameters = replace(PARAMETERS, heads=heads)
    whole = training(parameters)
    outcome = whole.run(ignore)

    def stop(stage: str, done: int, total: int) -> None:
        # With two heads: the second one's first epoch.
        if done == total // 2 + 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        training(parameters).run(stop, Checkpoint(tmp_path / "state", "a"))
    told: list[int] = []
    resumed = training(parameters)
    again = resumed.run(
        lambda stage, done, total: told.append(done), Checkpoint(tmp_path / "state", "a")
    )

    assert told[0] > 1
    assert again == outcome
    assert weights(resumed) == weights(whole)


def test_a_training_stopped_after_its_last_epoch_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    whole = training()
    outcome = whole.run(ignore, Checkpoint(tmp_path / "state", "a"))

    resumed = training()

    assert resumed.run(ignore, Checkpoint(tmp_path / "state", "a")) == outcome
    assert weights(resumed) == weights(whole)


def test_divergence_stops_and_keeps_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)
    checkpoint = Checkpoint(tmp_path / "state", "a")
    diverging = training()

    def spoil(stage: str, done: int, total: int) -> None:
        if done == 4:  # of 40 steps, two an epoch: the end of epoch 2
            with torch.no_grad():
                diverging.heads[0].hidden.weight[0, 0] = torch.nan

    with pytest.raises(DivergedError, match=r"weight is not finite in epoch 2 of 20, step 2 of 2"):
        diverging.run(spoil, checkpoint)

    restored = training()
    assert checkpoint.restore({"0": restored.heads[0]}, {}) is not None
    assert all(value.isfinite().all() for value in restored.heads[0].state_dict().values())


def test_a_loss_that_is_not_finite_stops_at_its_step() -> None:
    diverging = training()

    def spoil(stage: str, done: int, total: int) -> None:
        if done == 3:
            with torch.no_grad():
                diverging.heads[0].out.weight.fill_(torch.inf)

    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) in epoch 2 of 20, step 2 of 2"):
        diverging.run(spoil)


def test_few_patches_are_gone_through_until_the_steps_are_done() -> None:
    # 6 images of 16 patches, 64 a batch: two steps an epoch.
    assert training(replace(PARAMETERS, steps=41)).epochs == 21
    assert training(replace(PARAMETERS, steps=0, epochs=3)).epochs == 3
    # Four images a batch: also two.
    assert training(replace(PARAMETERS, batch_of="images", batch=4, steps=9)).epochs == 5


def test_progress_counts_steps_to_the_end() -> None:
    told: list[tuple[str, int, int]] = []

    training().run(lambda *progress: told.append(progress))

    assert [done for _, done, _ in told] == list(range(1, 41))
    assert {total for *_, total in told} == {40}


def test_several_heads_are_trained_apart_one_after_the_other() -> None:
    told: list[tuple[str, int, int]] = []
    both = training(replace(PARAMETERS, heads=2))

    both.run(lambda *progress: told.append(progress))
    alone = training()
    alone.run(ignore)

    assert [done for _, done, _ in told] == list(range(1, 81))
    assert {total for *_, total in told} == {80}
    assert save(both.heads[0].state_dict()) == weights(alone)
    assert save(both.heads[1].state_dict()) != weights(alone)


def test_a_single_patch_is_enough_to_train_on() -> None:
    parameters = replace(PARAMETERS, steps=3)
    patches = embeddings()[:1, :1, :1]
    scaling = choose_scaling(patches.reshape(-1, 8), "whitened", shrinkage=0.01, seed=0)

    trained = Training(patches, scaling, parameters, seed=0)
    outcome = trained.run(ignore)

    assert np.isfinite(outcome.loss)
    assert fold(scaling, trained.heads)(torch.zeros(2, 8)).isfinite().all()


def test_findings_are_rounded_for_people() -> None:
    assert Outcome(0.123456, 0.98765, 1.0).findings() == {
        "loss": 0.1235,
        "fakes_recognised": 0.9877,
        "goods_recognised": 1.0,
    }
