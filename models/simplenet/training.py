"""Training SimpleNet's adaptor and discriminator on cached patch embeddings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.errors import DivergedError
from models.simplenet.loss import truncated_l1
from models.simplenet.network import Head
from models.simplenet.noise import disturb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.optim import Optimizer

    from models.checkpoint import Checkpoint
    from models.detector import Progress
    from models.runtime import Device
    from models.simplenet.parameters import SimpleNetParameters
    from models.simplenet.scaling import Scaling

#: What this work is called where progress is told.
STAGE = "discriminator"


@dataclass(frozen=True)
class Outcome:
    """How an epoch went: means over its steps."""

    #: The truncated loss.
    loss: float
    #: Share of the patches with noise that the discriminator took for such.
    fakes_recognised: float
    #: Share of the good patches that it took for good.
    goods_recognised: float

    def findings(self) -> dict[str, float]:
        """Rounded, by name."""
        return {name: round(value, 4) for name, value in vars(self).items()}


class Training:
    """Heads in training, one after the other; all random choices follow from seed and epoch."""

    def __init__(
        self,
        embeddings: NDArray[np.float16],
        scaling: Scaling,
        parameters: SimpleNetParameters,
        *,
        seed: int,
        device: Device = "cpu",
    ) -> None:
        """Draw the first weights.

        Args:
            embeddings: (images, h, w, D) of good images, unscaled.
            scaling: what they go through first.
            parameters: SimpleNet's.
            seed: of every random choice.
            device: where it is computed.
        """
        width = embeddings.shape[-1]
        self._units = embeddings.reshape(len(embeddings), -1, width)
        if parameters.batch_of == "patches":
            self._units = embeddings.reshape(-1, 1, width)
        self._scaling = scaling.to(device)
        self._parameters = parameters
        self._seed = seed
        self._device = device
        #: One does what the paper's does, several are averaged.
        self.heads = [
            Head(width, parameters.hidden, adaptor=parameters.adaptor, seed=_head_seed(seed, index))
            for index in range(parameters.heads)
        ]
        self._optimizers = [_optimizers(head.to(device), parameters) for head in self.heads]
        self._steps_per_epoch = math.ceil(len(self._units) / parameters.batch)
        #: Passes of each head over all patches.
        self.epochs = max(parameters.epochs, math.ceil(parameters.steps / self._steps_per_epoch))

    def run(self, progress: Progress, checkpoint: Checkpoint | None = None) -> Outcome:
        """Train all heads to the end, from the checkpoint's state on if there is one.

        Returns:
            The last head's last epoch.

        Raises:
            DivergedError: if loss or weights are no longer finite; the checkpoint keeps the last
                state saved before.
        """
        modules = {str(index): head for index, head in enumerate(self.heads)}
        optimizers = {
            f"{index}-{name}": optimizer
            for index, of_head in enumerate(self._optimizers)
            for name, optimizer in of_head.items()
        }
        stored = checkpoint and checkpoint.restore(modules, optimizers)
        done = stored["epochs"] if stored else 0
        outcome = Outcome(**stored["outcome"]) if stored else None
        for epoch in range(done, self.epochs * len(self.heads)):
            outcome = self._epoch(epoch, progress)
            if checkpoint is not None and checkpoint.is_due():
                facts = {"epochs": epoch + 1, "outcome": vars(outcome)}
                checkpoint.save(facts, modules, optimizers)
        assert outcome is not None  # noqa: S101 - there is at least one epoch
        return outcome

    def _epoch(self, epoch: int, progress: Progress) -> Outcome:
        """One epoch of one head; `epoch` goes on counting from head to head."""
        number, of_head = divmod(epoch, self.epochs)
        head, optimizers = self.heads[number], self._optimizers[number]
        generator = torch.Generator(self._device).manual_seed(_mixed(self._seed, epoch))
        totals = torch.zeros(3, dtype=torch.float64)
        total_steps = self.epochs * self._steps_per_epoch
        for index, patches in enumerate(self._batches(epoch)):
            step = of_head * self._steps_per_epoch + index
            self._set_learning_rates(optimizers, step / total_steps)
            loss, real, fake = self._step(head, optimizers, patches, generator)
            if not math.isfinite(loss.item()):
                raise DivergedError(self._where(epoch, index, f"the loss is {loss.item()}"))
            totals += torch.stack(
                [loss, (fake < 0).float().mean(), (real > 0).float().mean()]
            ).cpu()
            done = epoch * self._steps_per_epoch + index + 1
            progress(STAGE, done, total_steps * len(self.heads))
        # A gradient that overflowed shows in the weights first; they must not be saved.
        if not all(bool(weight.isfinite().all()) for weight in head.state_dict().values()):
            raise DivergedError(self._where(epoch, index, "a weight is not finite"))
        return Outcome(*(totals / self._steps_per_epoch).tolist())

    def _step(
        self,
        head: Head,
        optimizers: Mapping[str, Optimizer],
        patches: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One optimiser step on (N, D) patches: the loss, and what D says of real and fake."""
        adapted = head.adaptor(self._scaling(patches))
        wanted = self._parameters
        fake = disturb(adapted, wanted.noise_kind, wanted.noise, wanted.noise_up_to, generator)
        # Together, so that batch norm sees the mixture: alone, each half would be normalised to
        # the same mean and variance.
        verdicts = head.discriminate(torch.cat([adapted, fake]))
        of_real, of_fake = verdicts.tensor_split(2)
        loss = truncated_l1(of_real, of_fake, self._parameters.margin)
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers.values():
            optimizer.step()
        return loss.detach(), of_real.detach(), of_fake.detach()

    def _batches(self, epoch: int) -> Iterator[Tensor]:
        """All patches in random order, (N, D) a batch; the last may be smaller."""
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._units))
        for start in range(0, len(order), self._parameters.batch):
            # Ascending: the cache may be a file.
            units = self._units[np.sort(order[start : start + self._parameters.batch])]
            yield torch.from_numpy(units).to(self._device).float().flatten(0, 1)

    def _set_learning_rates(self, optimizers: Mapping[str, Optimizer], share: float) -> None:
        factor = (1 + math.cos(math.pi * share)) / 2 if self._parameters.cosine else 1.0
        rates = _learning_rates(self._parameters)
        for name, optimizer in optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = factor * rates[name]

    def _where(self, epoch: int, index: int, what: str) -> str:
        epochs = self.epochs * len(self.heads)
        return (
            f"{STAGE}: {what} in epoch {epoch + 1} of {epochs}, step {index + 1} of "
            f"{self._steps_per_epoch}; the last good state is kept. Lower learning_rate and "
            "adaptor_learning_rate, or look for damaged images"
        )


def _learning_rates(parameters: SimpleNetParameters) -> dict[str, float]:
    return {
        "discriminator": parameters.learning_rate,
        "adaptor": parameters.adaptor_learning_rate,
    }


def _optimizers(head: Head, parameters: SimpleNetParameters) -> dict[str, Optimizer]:
    """Adam for the discriminator, AdamW for the adaptor, as the released code has it."""
    rates = _learning_rates(parameters)
    discriminator = [*head.hidden.parameters(), *head.norm.parameters(), *head.out.parameters()]
    optimizers: dict[str, Optimizer] = {
        "discriminator": torch.optim.Adam(
            discriminator, lr=rates["discriminator"], weight_decay=parameters.weight_decay
        )
    }
    if parameters.adaptor:
        optimizers["adaptor"] = torch.optim.AdamW(
            head.adaptor.parameters(),
            lr=rates["adaptor"],
            weight_decay=parameters.adaptor_weight_decay,
        )
    return optimizers


def _head_seed(seed: int, index: int) -> int:
    return seed if index == 0 else _mixed(seed, -index % 2**32)


def _mixed(seed: int, epoch: int) -> int:
    """One seed for torch out of two numbers, far apart for neighbours."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
