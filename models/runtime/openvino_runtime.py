"""Graphs on a CPU with OpenVINO, in 32-bit floats."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino

from models.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn


#: Images worked on at once; each takes memory of its own.
_MOST_AT_ONCE = 8


class OpenVinoRuntime:
    """A graph compiled for one image at a time.

    With its sizes fixed it takes a tenth less time, and larger batches give a CPU core no more
    speed: they only leave its cache. Where there are several cores, they take an image each.
    """

    name = "openvino"

    def __init__(self, model: openvino.Model, *, threads: int | None = None) -> None:
        """Compile `model` for this machine's CPU.

        Args:
            model: from `convert` or `read`; left as it is.
            threads: CPU threads; None takes one per core.
        """
        self._model = model.clone()
        self._model.reshape([1, *list(model.inputs[0].get_partial_shape())[1:]])
        single = self._compile({"PERFORMANCE_HINT": "LATENCY"}, threads)
        self._threads = int(single.get_property("INFERENCE_NUM_THREADS"))
        self._single = single.create_infer_request()

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the graph on (B, H, W, 3) RGB images of its input size; one (B, ...) an output."""
        images = np.ascontiguousarray(images)
        results = [
            np.empty((len(images), *list(output.shape)[1:]), dtype=np.float32)
            for output in self._model.outputs
        ]

        def run(request: openvino.InferRequest, places: range) -> None:
            for place in places:
                request.infer([images[place : place + 1]], share_inputs=True)
                # Copies: the request writes the next result into the same memory.
                for result, output in zip(results, request.output_tensors, strict=True):
                    result[place] = output.data[0]

        if len(images) <= 1 or self._threads == 1:
            run(self._single, range(len(images)))
            return results
        several = self._several[: len(images)]
        places = [range(first, len(images), len(several)) for first in range(len(several))]
        with ThreadPoolExecutor(len(several)) as pool:
            list(pool.map(run, several, places))
        return results

    @cached_property
    def _several(self) -> list[openvino.InferRequest]:
        """Made when they are first needed: cameras with few frames never do."""
        streams = min(self._threads, _MOST_AT_ONCE)
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": streams}
        compiled = self._compile(options, self._threads)
        return [compiled.create_infer_request() for _ in range(streams)]

    def _compile(self, options: dict[str, Any], threads: int | None) -> openvino.CompiledModel:
        options |= {
            # Servers with bf16 units would use them by default and give other scores.
            "INFERENCE_PRECISION_HINT": "f32",
            # Pinned, several worker processes with one thread each would all sit on the first core.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        return core().compile_model(self._model, "CPU", options)


@cache
def core() -> openvino.Core:
    """OpenVINO's, one for the whole process and for as long as it lives.

    Each brings a stack for signal handlers, and takes it away when it goes. Where two go in the
    order in which they came, the thread is left with one that is freed, and the next signal, a
    timeout's or SIGTERM, kills the process (seen with OpenVINO 2026.4.1).
    """
    return openvino.Core()


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
        return core().read_model(file)
    except RuntimeError as exc:
        raise ArtifactError(
            f"OpenVINO cannot read {file}: {str(exc).strip().splitlines()[-1]}; "
            "take runtime torch, or train the model again with this version"
        ) from exc
