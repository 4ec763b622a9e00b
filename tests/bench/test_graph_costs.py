"""Costs of graphs that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from bench import machine_limits
from bench.graph_costs import Costs, graph_costs
from models.runtime.openvino_runtime import core


def compiled(result: openvino.Node, data: openvino.Node) -> openvino.CompiledModel:
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return core().compile_model(openvino.Model([result], [data]), "CPU", options)


def weights(*shape: int) -> openvino.Node:
    return ops.constant(np.random.default_rng(0).normal(size=shape).astype(np.float32))


def test_a_convolution_uses_each_weight_once_a_place() -> None:
    data = ops.parameter([1, 16, 32, 32], np.float32)
    result = ops.convolution(data, weights(24, 16, 3, 3), [2, 2], [1, 1], [1, 1], [1, 1])

    costs = graph_costs(compiled(result, data))

    # 16 x 16 places of the result, 24 x 16 x 3 x 3 weights.
    assert costs.macs == {"f32": 16 * 16 * 24 * 16 * 9}
    assert costs.depthwise_macs == 0
    # Input, weights and result, four bytes each; where the runtime reorders one, it moves again.
    assert costs.moved_bytes >= 4 * (16 * 32 * 32 + 24 * 16 * 9 + 24 * 16 * 16)


def test_a_depthwise_convolution_is_counted_as_such() -> None:
    data = ops.parameter([1, 32, 20, 20], np.float32)
    kernel = weights(32, 1, 1, 3, 3)
    result = ops.group_convolution(data, kernel, [1, 1], [1, 1], [1, 1], [1, 1])

    costs = graph_costs(compiled(result, data))

    assert costs.macs == {"f32": 20 * 20 * 32 * 9}
    assert costs.depthwise_macs == costs.all_macs


def test_a_matrix_product_sums_over_the_inner_axis() -> None:
    data = ops.parameter([1, 64, 48], np.float32)
    result = ops.matmul(data, weights(80, 48), False, True)

    costs = graph_costs(compiled(result, data))

    assert costs.macs == {"f32": 64 * 48 * 80}
    assert costs.moved_bytes >= 4 * (64 * 48 + 80 * 48 + 64 * 80)


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_a_product_of_the_form_that_is_measured_runs_in_the_precision_it_is_measured_for(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_limits, "SIDES", (64, 128, 96))
    model = machine_limits.product(precision)  # type: ignore[arg-type]

    costs = graph_costs(core().compile_model(model, "CPU"))

    assert costs.macs == {precision: 64 * 128 * 96}


def test_costs_add_up_by_precision() -> None:
    both = Costs({"f32": 5}, 2, 100) + Costs({"f32": 1, "int8": 7}, 0, 10)

    assert both == Costs({"f32": 6, "int8": 7}, 2, 110)
    assert both.all_macs == 13


def test_limits_are_rates_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine_limits, "SIDES", (128, 128, 128))
    monkeypatch.setattr(machine_limits, "COPY_BYTES", 1 << 20)
    monkeypatch.setattr(machine_limits, "REPEATS", 2)

    limits = machine_limits.measure_limits(1)

    assert limits.threads == 1
    # Any computer does between a million and a thousand billions of both.
    for rate in (*limits.macs_per_s.values(), limits.bytes_per_s):
        assert 1e6 < rate < 1e15
