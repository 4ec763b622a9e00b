"""Networks captured for a few fixed numbers of images, and replayed for any number.

A captured network starts with one call instead of hundreds, but takes nothing else than the number
of images it was captured for: batches are filled up to the next of these, and what came too much is
cut off. On a CPU the same goes with a stand-in for the capture; tests do that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    Run: TypeAlias = Callable[[], list[Tensor]]
    #: Given what is to be captured, a function that does it again, and the tensors that the results
    #: of that are written to, each time the same.
    Capture: TypeAlias = Callable[[Run], tuple[Callable[[], None], list[Tensor]]]

#: Largest number of images a network is captured for; the others are 1, 2, 4 and so on.
LARGEST = 64
#: Runs before a capture, in which libraries choose their kernels and allocate their workspaces.
_WARM_UPS = 3


class CapturedNetwork:
    """Captures a network for a number of images when that is first needed."""

    def __init__(
        self, network: Callable[[Tensor], list[Tensor]], device: str, capture: Capture
    ) -> None:
        """Prepare.

        Args:
            network: from (B, H, W, 3) uint8 on `device` to float32 (B, ...) there; each image for
                itself.
            device: where it is, `cuda` or `cpu`.
            capture: `CudaCapture()`, or a stand-in.
        """
        self._network = network
        self._device = torch.device(device)
        self._capture = capture
        self._buckets: dict[tuple[int, ...], _Bucket] = {}

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run (B, H, W, 3) images; one (B, ...) array an output, in memory of its own."""
        starts = range(0, max(1, len(images)), LARGEST)
        parts = [self._run_bucket(images[start : start + LARGEST]) for start in starts]
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _run_bucket(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        shape = (bucket_of(len(images)), *images.shape[1:])
        if shape not in self._buckets:
            self._buckets[shape] = _Bucket(self._network, shape, self._device, self._capture)
        return self._buckets[shape].run(images)


class _Bucket:
    """A network captured for one number of images, with its own memory on both sides."""

    def __init__(
        self,
        network: Callable[[Tensor], list[Tensor]],
        shape: tuple[int, ...],
        device: torch.device,
        capture: Capture,
    ) -> None:
        self._device = device
        # Only from and to pinned memory can a GPU copy by itself.
        self._pinned = device.type == "cuda"
        self._staging = torch.zeros(shape, dtype=torch.uint8, pin_memory=self._pinned)
        self._input = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._replay, self._outputs = capture(lambda: network(self._input))

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run at most as many images as it was captured for; the CPU waits once, at the end."""
        count = len(images)
        self._staging.numpy()[:count] = images
        # Behind them lie images of earlier calls, whose results are left where they are.
        self._input[:count].copy_(self._staging[:count], non_blocking=True)
        self._replay()
        results = [
            # New, as the next replay overwrites the outputs. Torch keeps pinned memory that was
            # given back, so it is seldom allocated.
            torch.empty((count, *output.shape[1:]), dtype=output.dtype, pin_memory=self._pinned)
            for output in self._outputs
        ]
        for result, output in zip(results, self._outputs, strict=True):
            result.copy_(output[:count], non_blocking=True)
        if self._pinned:
            torch.cuda.current_stream(self._device).synchronize()
        return [result.numpy() for result in results]


class CudaCapture:
    """Captures on the GPU.

    All captures share one pool of memory: none runs while another does, and results are fetched
    before the next one runs.
    """

    def __init__(self) -> None:
        self._pool: Any = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> tuple[Callable[[], None], list[Tensor]]:
        """See `Capture`."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                run()
        torch.cuda.current_stream().wait_stream(aside)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured, pool=self._pool):
            outputs = run()
        return captured.replay, outputs


def bucket_of(count: int) -> int:
    """The smallest power of two that holds `count` images; 1 for none."""
    return 1 << max(0, count - 1).bit_length()
