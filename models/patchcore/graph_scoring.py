"""PatchCore in one OpenVINO graph: from camera pixels to scores, the search included.

Most of PatchCore's time goes into comparing every patch with every patch of the bank. Here that is
a matrix product in 8-bit integers, which takes a third of the time of 32-bit floats. What it costs
in precision only touches the map: each image's worst patches are compared again in 32-bit floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openvino
from openvino import opset13 as ops

from models.runtime.openvino_runtime import OpenVinoRuntime

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.runtime import Runtime

#: Bank rows compared at once: their results stay in a core's own cache.
_ROWS = 512
#: The worst patches of an image by 8 bits, compared again in 32. In 400 images of magnetic tiles
#: and 400 of solar cells the worst by 32 bits was always among the first five.
_WORST = 8
#: 7 bits of the bank's 8: products of more would overflow on CPUs without VNNI.
_BANK_LIMIT = 63


class GraphScoring:
    """Scores by the nearest neighbour in a bank, without the paper's weight."""

    def __init__(
        self, embedding: openvino.Model, bank: NDArray[np.float32], *, threads: int | None
    ) -> None:
        """Compile.

        Args:
            embedding: from (B, H, W, 3) pixels to (B, h, w, D) embeddings; left as it is.
            bank: (N, D).
            threads: CPU threads; None takes one per core.
        """
        self._runtime: Runtime = OpenVinoRuntime(
            append_search(embedding.clone(), bank), threads=threads
        )

    def score(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Squared distances of the patches, (B, h, w), and of each image's worst, (B,)."""
        grid, worst = self._runtime.run(images)
        return grid, worst


def append_search(embedding: openvino.Model, bank: NDArray[np.float32]) -> openvino.Model:
    """Continue a graph of embeddings (B, h, w, D) to squared distances (B, h, w) and worst (B,).

    |p - b|^2 = |p|^2 + |b|^2 - 2 p b: only the product needs every pair. The bank's mean is the
    origin, so that differences do not drown in rounding.
    """
    output = embedding.outputs[0].get_node().input_value(0)
    height, width, features = (output.get_partial_shape()[axis].get_length() for axis in (1, 2, 3))
    centre = bank.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows = bank - centre
    norms = np.square(rows).sum(axis=1)
    patches = ops.reshape(output, _axes(0, height * width, features), special_zero=True)
    patches = ops.subtract(patches, _floats(centre))  # (B, P, D)
    own = _sum_of_squares(patches)  # (B, P)

    # Beyond the bank's range a patch is anomalous: cut there, its distance is less precise, but as
    # large as that of the cut one at least.
    reach = float(np.abs(rows).max()) or 1.0
    low, high = _floats(-reach * 128 / 127), _floats(reach)
    rounded = ops.fake_quantize(patches, low, high, low, high, 256)
    nearest = [
        ops.reduce_min(_from_origin(rounded, _eight_bits(part), of), _axes(2), keep_dims=True)
        for part, of in _parts(rows, norms)
    ]
    closest = ops.reduce_min(ops.concat(nearest, 2), _axes(2), keep_dims=False)
    distances = ops.relu(ops.add(closest, own))  # (B, P)

    count = ops.constant(min(_WORST, height * width), np.int64)
    worst = ops.topk(distances, count, 1, "max", "none", index_element_type="i64").output(1)
    exact = ops.gather(patches, worst, _axes(1), batch_dims=1)  # (B, 8, D)
    pairs = _from_origin(exact, _floats(-2 * rows), norms)
    again = ops.add(ops.reduce_min(pairs, _axes(2), keep_dims=False), _sum_of_squares(exact))
    image_scores = ops.reduce_max(ops.relu(again), _axes(1), keep_dims=False)
    grid = ops.reshape(distances, _axes(0, height, width), special_zero=True)
    return openvino.Model([grid, image_scores], embedding.get_parameters(), "patchcore")


def _parts(
    rows: NDArray[np.float32], norms: NDArray[np.float32]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    starts = range(0, len(rows), _ROWS)
    return [(rows[start : start + _ROWS], norms[start : start + _ROWS]) for start in starts]


def _from_origin(
    patches: openvino.Node, minus_twice: openvino.Node, norms: NDArray[np.float32]
) -> openvino.Node:
    """|b|^2 - 2 p b of (B, P, D) patches and (N, D) rows times -2, as (B, P, N)."""
    return ops.add(ops.matmul(patches, minus_twice, False, True), _floats(norms))


def _eight_bits(rows: NDArray[np.float32]) -> openvino.Node:
    """-2 times (N, D) rows, each in steps of its own."""
    step = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12) / _BANK_LIMIT
    steps = ops.constant(np.round(rows / step).astype(np.int8))
    return ops.multiply(ops.convert(steps, "f32"), _floats(-2 * step))


def _sum_of_squares(values: openvino.Node) -> openvino.Node:
    return ops.reduce_sum(ops.multiply(values, values), _axes(2), keep_dims=False)


def _axes(*values: int) -> openvino.Node:
    return ops.constant(np.array(values, dtype=np.int64))


def _floats(values: object) -> openvino.Node:
    return ops.constant(np.asarray(values, dtype=np.float32))
