"""Graphs on a CPU with OpenVINO, in 32-bit floats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino

from models.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn


class OpenVinoRuntime:
    """A compiled graph with fixed height and width, and any number of images."""

    name = "openvino"

    def __init__(self, model: openvino.Model, *, threads: int | None = None) -> None:
        """Compile `model` for this machine's CPU.

        Args:
            model: from `convert` or `read`.
            threads: CPU threads; None takes one per core.
        """
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            # Servers with bf16 units would use them by default and give other scores.
            "INFERENCE_PRECISION_HINT": "f32",
            # Pinned, several worker processes with one thread each would all sit on the first core.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        self._request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the graph on (B, H, W, 3) RGB images of its input size; one (B, ...) an output."""
        self._request.infer([np.ascontiguousarray(images)], share_inputs=True)
        # Copies: the request writes the next result into the same memory.
        return [np.array(output.data, dtype=np.float32) for output in self._request.output_tensors]


def convert(graph: nn.Module, height: int, width: int) -> openvino.Model:
    """Translate a torch graph that takes (B, H, W, 3) uint8 images; B stays open."""
    import torch

    # Two images: an example of one would fix the batch size at one.
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    batch = torch.export.Dim("batch")
    with torch.inference_mode():
        exported = torch.export.export(graph, (example,), dynamic_shapes=({0: batch},))
    model = openvino.convert_model(exported)
    model.reshape(openvino.PartialShape([-1, height, width, 3]))
    _rename(model)
    return model


def _rename(model: openvino.Model) -> None:
    """Number the nodes by their order: their own names count all nodes of this process.

    The same network gives the same bytes then.
    """
    model.set_friendly_name("network")
    for index, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{index}")


def write(model: openvino.Model, file: Path) -> None:
    """Store a converted graph as `file` (.xml), with its weights (.bin) beside it, as float32.

    Raises:
        ArtifactError: if it cannot be written whole.
    """
    try:
        openvino.save_model(model, file, compress_to_fp16=False)
    except RuntimeError as exc:
        raise ArtifactError(
            f"OpenVINO cannot write {file}: {str(exc).strip()}; "
            "free space, or choose another folder"
        ) from exc
    # A disk that fills up at the last bytes need not raise above.
    read(file)


def read(file: Path) -> openvino.Model:
    """Read a graph stored by `write`.

    Raises:
        ArtifactError: if OpenVINO cannot read it.
    """
    try:
        return openvino.Core().read_model(file)
    except RuntimeError as exc:
        raise ArtifactError(
            f"OpenVINO cannot read {file}: {str(exc).strip().splitlines()[-1]}; "
            "take runtime torch, or train the model again with this version"
        ) from exc
