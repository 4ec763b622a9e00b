"""What runs a graph: OpenVINO on a CPU, torch on a GPU or where OpenVINO is not wanted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from models.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Device = Literal["cpu", "cuda"]
RuntimeName = Literal["openvino", "torch"]


class Runtime(Protocol):
    """A graph ready to run."""

    #: `openvino` or `torch`.
    name: str

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the graph on (B, H, W, 3) RGB images of its input size; one (B, ...) an output."""
        ...


@dataclass(frozen=True)
class Engine:
    """Where and with what graphs run."""

    device: Device
    runtime: RuntimeName
    #: CPU threads of this process; None leaves it to the libraries.
    threads: int | None = None


def choose_engine(
    device: str = "auto", runtime: str = "auto", threads: int | None = None
) -> Engine:
    """Decide what "auto" means here: torch on CUDA where there is a GPU, OpenVINO otherwise.

    Raises:
        ModelError: if what is asked for is unknown, contradictory, or not there.
        ValueError: if `threads` is below 1.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, expected 1 or more")
    if device not in {"auto", "cpu", "cuda"}:
        raise ModelError(f"unknown device {device!r}: expected auto, cpu or cuda")
    if runtime not in {"auto", "openvino", "torch"}:
        raise ModelError(f"unknown runtime {runtime!r}: expected auto, openvino or torch")
    if device == "cuda" and runtime == "openvino":
        raise ModelError("runtime openvino runs on the CPU: take device cpu, or runtime torch")
    if device == "cuda" and not cuda_is_there():
        raise ModelError(
            "device cuda: torch finds no NVIDIA GPU; take device cpu, or check nvidia-smi"
        )
    on_gpu = device == "cuda" or (device == "auto" and runtime != "openvino" and cuda_is_there())
    if on_gpu:
        return Engine("cuda", "torch", threads)
    return Engine("cpu", "torch" if runtime == "torch" else "openvino", threads)


def cuda_is_there() -> bool:
    """True if torch can use an NVIDIA GPU; loads torch only where there is a driver."""
    if shutil.which("nvidia-smi") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
