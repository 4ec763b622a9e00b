"""What one run of a compiled OpenVINO graph computes and moves, counted from its executed nodes.

The graph as it is executed, after the runtime has fused and converted, tells shape and type of
everything that passes between two nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import openvino

Precision = Literal["f32", "int8"]

#: Nodes that stand for memory, or give it another shape, and move nothing.
_NO_WORK = {"Input", "Output", "Const", "Reshape"}
_PRODUCTS = {"FullyConnected", "MatMul"}


@dataclass(frozen=True)
class Costs:
    """Of one image."""

    #: Multiply-accumulates of convolutions and matrix products, by precision.
    macs: Mapping[Precision, int] = field(default_factory=dict)
    #: How many of these belong to depthwise convolutions, which reuse little of what they read.
    depthwise_macs: int = 0
    #: What all nodes read and write, weights included, as if nothing stayed in a cache.
    moved_bytes: int = 0

    def __add__(self, other: Costs) -> Costs:
        """Both together."""
        return Costs(
            Counter(self.macs) + Counter(other.macs),
            self.depthwise_macs + other.depthwise_macs,
            self.moved_bytes + other.moved_bytes,
        )

    @property
    def all_macs(self) -> int:
        """In whatever precision."""
        return sum(self.macs.values())


def graph_costs(compiled: openvino.CompiledModel) -> Costs:
    """Count a graph whose shapes are all fixed."""
    total = Costs()
    for node in compiled.get_runtime_model().get_ordered_ops():
        total += _node_costs(node)
    return total


def _node_costs(node: Any) -> Costs:
    kind = node.get_rt_info()["layerType"]
    if kind in _NO_WORK:
        return Costs()
    inputs = [port.get_source_output() for port in node.inputs()]
    moved = sum(_bytes(port) for port in (*inputs, *node.outputs()))
    if kind not in _PRODUCTS | {"Convolution"}:
        return Costs(moved_bytes=moved)
    data, weights = (tuple(port.get_shape()) for port in inputs[:2])
    result = tuple(node.outputs()[0].get_shape())
    # A result of a product sums over the last axis of the data. Each weight of a convolution is
    # used once a place of the result: (O, I, kh, kw), or with groups (G, O, I, kh, kw).
    macs = prod(result) * data[-1]
    is_depthwise = False
    if kind == "Convolution":
        macs = result[0] * prod(result[2:]) * prod(weights)
        is_depthwise = len(weights) > len(result) and weights[2] == 1
    precision: Precision = "int8" if inputs[0].get_element_type().size == 1 else "f32"
    return Costs({precision: macs}, macs if is_depthwise else 0, moved)


def _bytes(port: Any) -> int:
    return int(prod(port.get_shape()) * port.get_element_type().size)
