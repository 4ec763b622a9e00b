"""What scoring an image computes and moves, against what this machine attains in the same run."""

from __future__ import annotations

import gc
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from bench.comparison import markdown
from bench.development import SETS
from bench.graph_costs import Costs, graph_costs
from bench.machine_limits import Limits, measure_limits
from bench.model import trained
from bench.results import percentile, write_section
from models.datasets import open_dataset
from models.patchcore.search import NeighbourSearch
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.scorer import load_scorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from models.scorer import Scorer

DATA = "magnetic_tile"
#: Fast presets with the shortest schedule: what is counted and timed does not depend on weights.
SETTINGS: dict[str, dict[str, int]] = {
    "patchcore": {},
    "simplenet": {"steps": 2},
    "bgad": {"meta_epochs": 1, "normal_epochs": 1, "mini_batches": 1, "warm_up_epochs": 0},
    "cutswap": {"updates": 1},
}
#: `bgad` is shown as many; its network is the same without.
ANOMALIES = {"bgad": 10}
THREADS = (1, 2)
IMAGES = 150
WARM_UP = 20

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Measured:
    """One detector on a number of threads."""

    detector: str
    #: Of its graphs.
    inside: Costs
    #: Of what runs beside them.
    outside: Costs
    #: Time of each image: of its graphs alone, and of all from decoded picture to scores.
    graph_ms: list[float]
    whole_ms: list[float]

    @property
    def all(self) -> Costs:
        """Of graphs and what runs beside them."""
        return self.inside + self.outside


def main() -> None:
    """Train what is missing, then measure; nothing else should run meanwhile."""
    models = {name: _trained(name) for name in SETTINGS}
    test = open_dataset(SETS[DATA]).test
    images = [sample.image() for sample in test[:: -(-len(test) // IMAGES)]]
    every, lines = [], []
    for threads in THREADS:
        limits = measure_limits(threads)
        measured = [_measure(name, folder, threads, images) for name, folder in models.items()]
        # Twice, as other programs may slow the machine down for a while.
        limits = limits.better(measure_limits(threads))
        every.append(limits)
        lines += [_line(one, limits) for one in measured]
    write_section("roofline", WHAT, _settings(len(images)), "\n\n".join(_body(every, lines)))


WHAT = (
    "Multiply-accumulates (MACs) and bytes of scoring one image, counted from the graph as "
    "OpenVINO executes it and from what runs beside it, against what this machine attains in "
    "the same run: a product of matrices (256 x 1024 by 1024 x 1024) through OpenVINO, in "
    "32-bit floats and in 8-bit integers, and copying 128 MiB. The bound is the longer of "
    "computing at those rates and moving all bytes at that rate; the share is the bound over "
    "the time that nine of ten images take longer than, as the rates are the best of many, too."
    " Bytes are counted as if nothing stayed in a cache, so a memory bound can be beaten. "
    "Additions, activations, pooling and the like count as bytes, not as MACs; depthwise "
    "convolutions cannot reach the rate of a matrix product."
)


def _settings(images: int) -> str:
    return (
        f"fast presets (tf_efficientnet_lite0, 256 px) trained on {DATA} with the shortest "
        f"schedule, which changes no shape; decoded pictures of {DATA}, one at a time, {images} "
        f"after {WARM_UP} to warm up; load {os.getloadavg()[0]:.1f}"
    )


def _body(every: list[Limits], lines: list[list[str]]) -> list[str]:
    attained = [
        [
            str(limits.threads),
            f"{limits.macs_per_s['f32'] / 1e9:.0f} GMAC/s",
            f"{limits.macs_per_s['int8'] / 1e9:.0f} GMAC/s",
            f"{limits.bytes_per_s / 1e9:.1f} GB/s",
        ]
        for limits in every
    ]
    head = ["", "threads", "MMAC f32", "MMAC int8", "of them depthwise", "beside the graph", "MB"]
    head += ["bound", "graph, p10", "whole, p10", "whole, p50", "share, graph", "share, whole"]
    return [
        markdown(["threads", "product, f32", "product, int8", "copy"], attained),
        markdown(head, lines),
    ]


def _line(measured: Measured, limits: Limits) -> list[str]:
    costs = measured.all
    graph_bound, _ = bound_ms(measured.inside, limits)
    whole_bound, limit = bound_ms(costs, limits)
    graph, whole = percentile(measured.graph_ms, 0.1), percentile(measured.whole_ms, 0.1)
    return [
        measured.detector,
        str(limits.threads),
        f"{costs.macs.get('f32', 0) / 1e6:.0f}",
        f"{costs.macs.get('int8', 0) / 1e6:.0f}",
        f"{costs.depthwise_macs / 1e6:.0f}",
        f"{measured.outside.all_macs / 1e6:.0f}",
        f"{costs.moved_bytes / 1e6:.0f}",
        f"{whole_bound:.2f} ms, {limit}",
        f"{graph:.2f} ms",
        f"{whole:.2f} ms",
        f"{percentile(measured.whole_ms, 0.5):.2f} ms",
        f"{graph_bound / graph:.0%}",
        f"{whole_bound / whole:.0%}",
    ]


def bound_ms(costs: Costs, limits: Limits) -> tuple[float, str]:
    """The least time in which all could be done here, and what sets it."""
    computing = sum(macs / limits.macs_per_s[kind] for kind, macs in costs.macs.items())
    moving = costs.moved_bytes / limits.bytes_per_s
    return max(computing, moving) * 1e3, "computing" if computing >= moving else "memory"


def _measure(name: str, folder: Path, threads: int, images: list[NDArray[np.uint8]]) -> Measured:
    gc.collect()  # what an earlier model left must not be found below
    scorer = load_scorer(folder, threads=threads)
    runtimes = _alive(OpenVinoRuntime)
    inside = sum((_costs_of(runtime) for runtime in runtimes), Costs())
    height, width = scorer.manifest.input_height, scorer.manifest.input_width
    pixels = np.zeros((1, height, width, 3), dtype=np.uint8)
    for image in images[:WARM_UP]:
        scorer.score([image])
    whole, graph = [], []
    for image in images:  # in turns, so that a mood of the machine meets both
        whole.append(_ms(lambda image=image: scorer.score([image])))
        graph.append(_ms(lambda: [runtime.run(pixels) for runtime in runtimes]))
    return Measured(name, inside, _outside(scorer, images), graph, whole)


def _costs_of(runtime: OpenVinoRuntime) -> Costs:
    return graph_costs(runtime._single.get_compiled_model())


def _outside(scorer: Scorer, images: list[NDArray[np.uint8]]) -> Costs:
    """Resizing, enlarging and smoothing the map, and a search that is not in the graph."""
    height, width = scorer.manifest.input_height, scorer.manifest.input_width
    hyperparameters = scorer.manifest.hyperparameters
    # The picture is read once, the input written.
    moved = int(np.mean([image.nbytes for image in images])) + height * width * 3
    costs = Costs({}, 0, moved)
    if "sigma" in hyperparameters:  # BGAD has its map from the graph
        taps = 2 * int(4 * hyperparameters["sigma"] + 0.5) + 1
        # Bilinear: four products a pixel, written once. Smoothing along rows, then along columns,
        # reads and writes all.
        costs += Costs({"f32": height * width * (4 + 2 * taps)}, 0, height * width * 4 * 5)
    finest = min(hyperparameters["strides"])
    for search in _alive(NeighbourSearch):
        index, places = search._index, (height // finest) * (width // finest)
        moved = 4 * (places + index.ntotal) * index.d
        costs += Costs({"f32": places * index.ntotal * index.d}, 0, moved)
    return costs


def _alive(kind: type[_Found]) -> list[_Found]:
    """All of a class that are in use, wherever a detector keeps them."""
    return [found for found in gc.get_objects() if type(found) is kind]


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def _trained(name: str) -> Path:
    return trained(
        name,
        str(SETS[DATA]),
        name=f"roofline-{name}",
        anomalies=ANOMALIES.get(name, 0),
        settings=SETTINGS[name],
    )
