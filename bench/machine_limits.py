"""What this machine can attain: multiply-accumulates a second, and bytes a second."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import openvino
from openvino import opset13 as ops

from models.runtime.openvino_runtime import core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.graph_costs import Precision

#: Sides (M, K, N) of the matrices: large enough that their product is limited by computing alone,
#: small enough that one takes milliseconds, which other programs leave alone now and then.
SIDES = (256, 1024, 1024)
#: Of each of the two arrays that are copied: far more than the caches hold.
COPY_BYTES = 128 * 1024 * 1024
REPEATS = 150


@dataclass(frozen=True)
class Limits:
    """On a number of threads."""

    threads: int
    #: Multiply-accumulates/s of a matrix product, by precision.
    macs_per_s: Mapping[Precision, float]
    #: Read and written together, by copying.
    bytes_per_s: float

    def better(self, other: Limits) -> Limits:
        """The higher of each rate."""
        macs = {kind: max(rate, other.macs_per_s[kind]) for kind, rate in self.macs_per_s.items()}
        return Limits(self.threads, macs, max(self.bytes_per_s, other.bytes_per_s))


def measure_limits(threads: int) -> Limits:
    """Measure; nothing else should run."""
    macs: dict[Precision, float] = {
        "f32": _product_rate("f32", threads),
        "int8": _product_rate("int8", threads),
    }
    return Limits(threads, macs, _copy_rate(threads))


def _product_rate(precision: Precision, threads: int) -> float:
    rows, depth, columns = SIDES
    rng = np.random.default_rng(0)
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core().compile_model(product(precision), "CPU", options)
    request = compiled.create_infer_request()
    data = rng.uniform(-1, 1, (rows, depth)).astype(np.float32)
    took = _best_s(lambda: request.infer([data], share_inputs=True))
    return rows * depth * columns / took


def product(precision: Precision) -> openvino.Model:
    """A matrix product with constant weights, in the form in which detectors have theirs."""
    rows, depth, columns = SIDES
    data = ops.parameter([rows, depth], np.float32)
    rng = np.random.default_rng(1)
    if precision == "f32":
        weights = ops.constant(rng.uniform(-1, 1, (columns, depth)).astype(np.float32))
        return openvino.Model([ops.matmul(data, weights, False, True)], [data])
    low, high = (ops.constant(np.float32(end)) for end in (-128 / 127, 1))
    rounded = ops.fake_quantize(data, low, high, low, high, 256)
    steps = ops.constant(rng.integers(-63, 64, (columns, depth)).astype(np.int8))
    weights = ops.multiply(ops.convert(steps, "f32"), ops.constant(np.float32(1 / 63)))
    return openvino.Model([ops.matmul(rounded, weights, False, True)], [data])


def _copy_rate(threads: int) -> float:
    source = np.ones(COPY_BYTES // 8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        took = _best_s(lambda: list(pool.map(lambda part: np.copyto(*part), parts)))
    return 2 * COPY_BYTES / took


def _best_s(work: Callable[[], object]) -> float:
    """The shortest of several: what the machine can do, not what disturbs it."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
