"""The training that CutPaste and CutSwap share: is an image good, or wrong in which way?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import DivergedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.backbone import Backbone
    from models.checkpoint import Checkpoint
    from models.cutpaste.batches import Batches
    from models.cutpaste.parameters import TuningParameters
    from models.detector import Progress

_STAGE = "tuning"
#: Loss and accuracy are told as means over this last share of the updates.
_LAST = 0.1


@dataclass
class _Course:
    """How far the tuning is, and how it went of late."""

    #: Updates done.
    updates: int = 0
    #: Of the last updates.
    losses: int = 0
    #: Their sum.
    loss: float = 0.0
    #: Images of the last updates.
    seen: int = 0
    #: Those of them whose kind was told right.
    right: int = 0


def projection_head(features: int, classes: int, parameters: TuningParameters) -> nn.Sequential:
    """[Linear, BN, ReLU] as often as wanted, then the same 128 wide, then Linear to the classes."""
    widths = [features, *[parameters.head_width] * parameters.head_layers, 128]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


class Tuning:
    """A backbone, a head that is thrown away afterwards, and the optimiser of both."""

    def __init__(
        self,
        backbone: Backbone,
        batches: Batches,
        parameters: TuningParameters,
        *,
        seed: int,
        device: str = "cpu",
    ) -> None:
        """Prepare to tune `backbone`, in place; it has the levels at `parameters.tuned_strides`."""
        self._backbone = backbone.to(device).to(memory_format=torch.channels_last)
        self._batches = batches
        self._parameters = parameters
        self._device = device
        self._course = _Course()
        self._level = backbone.strides.index(parameters.head_stride)
        classes = 3 if parameters.scar else 2
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = projection_head(backbone.channels[self._level], classes, parameters)
        self._head = head.to(device)
        self._moving = list(_parameters_above(backbone, parameters.frozen_stride))
        self._optimizer = torch.optim.SGD(
            [{"params": list(head.parameters())}, {"params": self._moving}],
            lr=parameters.lr,
            momentum=parameters.momentum,
            weight_decay=parameters.weight_decay,
        )

    def run(self, progress: Progress, checkpoint: Checkpoint | None) -> dict[str, Any]:
        """Tune, from where `checkpoint` says it was left.

        Returns:
            What there is to tell, ready for JSON.

        Raises:
            DivergedError: if loss or weights are not finite any more.
        """
        course, total = self._course, self._parameters.updates
        self._restore(checkpoint)
        while course.updates < total:
            self._update()
            course.updates += 1
            if checkpoint is not None and checkpoint.is_due():
                self._save(checkpoint)
            progress(_STAGE, course.updates, total)
        self._let_move(moves=False)
        self._check_weights()
        if checkpoint is not None:
            self._save(checkpoint)  # the memory bank comes next, and may be interrupted too
        return {
            "updates": total,
            "image_passes": round(self._batches.passes(total), 2),
            "tuning_loss": round(course.loss / max(1, course.losses), 4),
            "tuning_accuracy": round(course.right / max(1, course.seen), 4),
        }

    def _update(self) -> None:
        batch = self._batches.draw(self._course.updates)
        if batch is None:
            return
        moves = self._course.updates >= self._parameters.head_only_updates
        self._let_move(moves=moves)
        self._set_learning_rates()
        images, labels = (given.to(self._device) for given in batch)
        with torch.set_grad_enabled(moves):
            level = self._backbone(images)[self._level]  # (B, C, h, w)
        logits = self._head(level.mean(dim=(2, 3)))  # (B, classes)
        loss = F.cross_entropy(logits, labels)
        if not torch.isfinite(loss):
            raise DivergedError(self._says_where(f"the loss is {loss.item()}"))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._parameters.clip_norm is not None:
            own = [*self._head.parameters(), *self._moving]
            nn.utils.clip_grad_norm_(own, self._parameters.clip_norm)
        self._optimizer.step()
        self._note(loss, logits, labels)

    def _set_learning_rates(self) -> None:
        parameters = self._parameters
        share = (1 + math.cos(math.pi * self._course.updates / parameters.updates)) / 2
        head, backbone = self._optimizer.param_groups
        head["lr"], backbone["lr"] = parameters.lr * share, parameters.backbone_lr * share

    def _let_move(self, *, moves: bool) -> None:
        """Let the backbone above its frozen level learn; or nothing of it, its statistics too."""
        moving = {id(parameter) for parameter in self._moving} if moves else set()
        for parameter in self._backbone.parameters():
            parameter.requires_grad_(id(parameter) in moving)
        for layer in self._backbone.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.train(self._parameters.train_batch_norm and id(layer.weight) in moving)

    def _note(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        course = self._course
        if course.updates < (1 - _LAST) * self._parameters.updates - 1:
            return
        course.losses += 1
        course.loss += loss.item()
        course.seen += len(labels)
        course.right += int((logits.argmax(dim=1) == labels).sum())

    def _says_where(self, what: str) -> str:
        done = self._course.updates
        return (
            f"{_STAGE} diverged: {what} at update {done + 1} of {self._parameters.updates} (pass "
            f"{int(self._batches.passes(done)) + 1} over the images); the last good state is kept: "
            "give a lower backbone_lr or lr, or a clip_norm"
        )

    def _check_weights(self) -> None:
        for module in (self._backbone, self._head):
            for name, value in module.state_dict().items():
                if not torch.isfinite(value).all():
                    raise DivergedError(self._says_where(f"{name} is not finite"))

    def _save(self, checkpoint: Checkpoint) -> None:
        self._check_weights()
        checkpoint.save(
            {"course": vars(self._course), "tally": dict(self._batches.augment.tally)},
            {"backbone": self._backbone, "head": self._head},
            {"sgd": self._optimizer},
        )

    def _restore(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        stored = checkpoint.restore(
            {"backbone": self._backbone, "head": self._head}, {"sgd": self._optimizer}
        )
        if stored is not None:
            vars(self._course).update(stored["course"])
            self._batches.augment.tally.clear()
            self._batches.augment.tally.update(stored["tally"])


def _parameters_above(backbone: Backbone, frozen_stride: int | None) -> Iterator[nn.Parameter]:
    """The parameters that the level at `frozen_stride` does not depend on; all if it is None."""
    parameters = list(backbone.parameters())
    if frozen_stride is None:
        yield from parameters
        return
    for parameter in parameters:
        parameter.requires_grad_()
    side = backbone.strides[-1]
    black = torch.zeros(1, side, side, 3, device=parameters[0].device)
    level = backbone(black)[backbone.strides.index(frozen_stride)]
    gradients = torch.autograd.grad(level.sum(), parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            yield parameter
