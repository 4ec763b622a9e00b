"""An unfinished training on disk: what it needs to go on as if it had never stopped."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn
    from torch.optim import Optimizer

#: Seconds between two savings that are not forced: what an interruption costs at most.
INTERVAL_S = 20.0


class Checkpoint:
    """One file that is replaced whole, so that it always holds a good state.

    Random choices are not part of it: a training draws them from its seed and the step it is at.
    """

    def __init__(self, file: Path, fingerprint: str) -> None:
        """Keep the state in `file`; `fingerprint` tells data, settings, seed and code apart."""
        self.file = file
        self._fingerprint = fingerprint
        self._saved_at = time.monotonic()

    def is_due(self) -> bool:
        """Whether enough time has passed since the last saving."""
        return time.monotonic() - self._saved_at >= INTERVAL_S

    def save(
        self,
        facts: Mapping[str, Any],
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
    ) -> None:
        """Replace the stored state.

        Args:
            facts: how far the training is, ready for JSON.
            modules: what is trained, by name.
            optimizers: by name; their learning rates are the schedule's and not stored.

        Raises:
            ArtifactError: if it cannot be written; the former state is still there then.
        """
        tensors: dict[str, Tensor] = {}
        for name, module in modules.items():
            tensors |= {f"module/{name}/{key}": value for key, value in module.state_dict().items()}
        for name, optimizer in optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {
                    f"optimizer/{name}/{index}/{key}": value for key, value in state.items()
                }
        # Clones: safetensors refuses tensors that share memory, and transposed ones.
        plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        metadata = {"fingerprint": self._fingerprint, "facts": json.dumps(dict(facts))}
        building = self.file.with_name(f"{self.file.name}-{os.getpid()}")
        try:
            save_file(plain, building, metadata)
            building.replace(self.file)
        except (OSError, SafetensorError) as exc:
            building.unlink(missing_ok=True)
            raise ArtifactError(
                f"cannot keep the unfinished training in {self.file}: {exc}; free space"
            ) from exc
        self._saved_at = time.monotonic()

    def exists(self) -> bool:
        """Whether a state of this training is stored.

        Raises:
            ArtifactError: if the file is another training's, or damaged.
        """
        if not self.file.exists():
            return False
        try:
            with safe_open(self.file, framework="pt") as stored:
                metadata = stored.metadata() or {}
        except (OSError, SafetensorError) as exc:
            raise self._damaged(exc) from exc
        if metadata.get("fingerprint") != self._fingerprint:
            raise ArtifactError(
                f"{self.file} is an unfinished training with other images, settings, seed or "
                "program version: give those again to go on with it, or remove the file to start "
                "anew"
            )
        return True

    def restore(
        self, modules: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
    ) -> dict[str, Any] | None:
        """Put the stored state into fresh modules and optimizers.

        Returns:
            The facts stored with it; None if there is no state, and nothing was changed.

        Raises:
            ArtifactError: if the file is another training's, or damaged.
        """
        if not self.exists():
            return None
        try:
            with safe_open(self.file, framework="pt") as stored:
                metadata = stored.metadata()
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            for name, module in modules.items():
                module.load_state_dict(_below(f"module/{name}", tensors))
            for name, optimizer in optimizers.items():
                _restore_optimizer(optimizer, _below(f"optimizer/{name}", tensors))
            facts: dict[str, Any] = json.loads(metadata["facts"])
        except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as exc:
            raise self._damaged(exc) from exc
        return facts

    def discard(self) -> None:
        """Remove the stored state: the training is finished."""
        self.file.unlink(missing_ok=True)

    def _damaged(self, exc: Exception) -> ArtifactError:
        return ArtifactError(
            f"{self.file} holds no unfinished training ({exc}): remove it to start anew"
        )


def _below(place: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{place}/"
    return {
        key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)
    }


def _restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    fresh = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": fresh["param_groups"]})
