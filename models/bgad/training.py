"""Fits BGAD's flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

from models.bgad.level import LevelFlow, build_levels
from models.bgad.loss import bgad_loss
from models.bgad.material import Material
from models.bgad.positions import batches_of_images, check_enough
from models.bgad.rarity import rare_positions
from models.bgad.schedule import learning_rate
from models.errors import DivergedError
from models.feature_cache import cache_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.bgad.material import Encode
    from models.bgad.parameters import BgadParameters
    from models.bgad.positions import LevelPositions, MiniBatch
    from models.checkpoint import Checkpoint
    from models.detector import Progress, TrainingData
    from models.runtime import Device

_STAGE = "flows"


class _Place(NamedTuple):
    """Where a training is."""

    meta_epoch: int
    sub_epoch: int
    batch: int
    stride: int


def train_levels(
    encode: Encode,
    channels: Sequence[int],
    data: TrainingData,
    parameters: BgadParameters,
    *,
    seed: int,
    device: Device,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[LevelFlow], list[NDArray[np.float32]]]:
    """Train a flow for each level.

    Args:
        encode: the frozen backbone.
        channels: of its levels.
        data: what to learn from.
        parameters: how.
        seed: of every random choice.
        device: what the flows are trained on.
        progress: told of each stage.
        checkpoint: as `Detector.fit`.

    Returns:
        The flows, on the CPU, and each one's log-likelihoods (images, h, w) of held-out images.

    Raises:
        SettingError: if a level would get too few positions to make a mini-batch.
        DivergedError: if a loss is not finite.
    """
    levels = build_levels(channels, parameters, seed=seed)
    check_enough(data.normal.count, [level.cells for level in levels], parameters)
    material = Material(encode, data, parameters, seed=seed, progress=progress)
    for level, features in zip(levels, material.normal, strict=True):
        level.fit_scaling(features, parameters.scaling, seed=seed)
    if parameters.mini_batches is not None and parameters.rare_share is not None:
        material.mark_rare(
            [
                rare_positions(level, features, parameters.rare_positions, seed=seed)
                for level, features in zip(levels, material.normal, strict=True)
            ]
        )
    for level in levels:
        level.to(device)
    training = FlowTraining(levels, parameters, seed=seed)
    training.run(material, progress=progress, checkpoint=checkpoint)
    held_out = cache_features(encode, data.held_out, progress, stage="held-out features")
    maps = [level.maps(features) for level, features in zip(levels, held_out, strict=True)]
    return [level.cpu() for level in levels], [likelihoods.numpy() for likelihoods in maps]


class FlowTraining:
    """Trains the flows of all levels, each on its own positions."""

    def __init__(
        self, levels: Sequence[LevelFlow], parameters: BgadParameters, *, seed: int
    ) -> None:
        """Prepare to train `levels` in place; `seed` is of every random choice."""
        self._levels = nn.ModuleList(levels)
        self._parameters = parameters
        self._seed = seed
        # One for all levels: a step has gradients of one flow only, and leaves the others alone.
        self._optimizer = torch.optim.Adam(
            [value for value in self._levels.parameters() if value.requires_grad],
            lr=parameters.learning_rate,
        )

    def run(
        self, material: Material, *, progress: Progress, checkpoint: Checkpoint | None = None
    ) -> None:
        """Go through all epochs, from the checkpoint on if it holds some.

        Raises:
            DivergedError: if a loss is not finite.
        """
        passes = self._parameters.meta_epochs * self._parameters.sub_epochs
        for index in range(self._restored(checkpoint), passes):
            self._pass(index, passes, self._positions(material, index), progress)
            if checkpoint is not None and checkpoint.is_due():
                checkpoint.save({"passes": index + 1}, *self._state())

    @property
    def levels(self) -> list[LevelFlow]:
        """What is trained."""
        return list(self._levels)  # type: ignore[arg-type]

    def _restored(self, checkpoint: Checkpoint | None) -> int:
        facts = checkpoint.restore(*self._state()) if checkpoint is not None else None
        return int(facts["passes"]) if facts else 0

    def _state(self) -> tuple[dict[str, nn.Module], dict[str, torch.optim.Optimizer]]:
        return {"levels": self._levels}, {"adam": self._optimizer}

    def _positions(self, material: Material, index: int) -> list[LevelPositions]:
        if index < self._parameters.normal_epochs * self._parameters.sub_epochs:
            return material.normal_positions()
        return material.all_positions(index, self.levels)

    def _pass(
        self, index: int, passes: int, positions: Sequence[LevelPositions], progress: Progress
    ) -> None:
        """Go through all images once."""
        rng = np.random.default_rng([self._seed, index])
        meta_epoch, sub_epoch = divmod(index, self._parameters.sub_epochs)
        batches = batches_of_images(positions[0].count, self._parameters, rng)
        for batch, images in enumerate(batches):
            rate = learning_rate(self._parameters, meta_epoch, sub_epoch, batch, len(batches))
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            for stride, level, own in zip(
                self._parameters.strides, self.levels, positions, strict=True
            ):
                place = _Place(meta_epoch, sub_epoch, batch, stride)
                for mini_batch in own.mini_batches(images, self._parameters, rng):
                    self._step(level, mini_batch, place)
            progress(_STAGE, index * len(batches) + batch + 1, passes * len(batches))

    def _step(self, level: LevelFlow, batch: MiniBatch, place: _Place) -> None:
        device = level.mean.device
        abnormal = batch.abnormal.to(device)
        if abnormal.all():
            return
        likelihoods = level(batch.features.to(device), batch.cells.to(device))
        loss = bgad_loss(likelihoods, abnormal, self._parameters, warming=place.meta_epoch == 0)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        limit = self._parameters.gradient_norm
        norm = nn.utils.clip_grad_norm_(level.parameters(), limit or float("inf"))
        # Before the step, so that the weights stay good.
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise DivergedError(
                f"stage {_STAGE}, meta epoch {place.meta_epoch}, sub epoch {place.sub_epoch}, "
                f"batch {place.batch}, level at stride {place.stride}: the loss is {loss.item()} "
                f"and its gradient's norm {norm.item()}. The last good state is kept; set "
                f"learning_rate below {self._parameters.learning_rate}, or gradient_norm"
            )
        self._optimizer.step()
