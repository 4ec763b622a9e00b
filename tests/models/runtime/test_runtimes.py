"""The same graph in both runtimes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from models.errors import ArtifactError
from models.runtime import openvino_runtime
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.runtime.torch_runtime import TorchRuntime, halve

if TYPE_CHECKING:
    from pathlib import Path

    import openvino

HEIGHT, WIDTH = 32, 48


class SmallGraph(nn.Module):
    """Pixels to a grid of features, with what matters: permutation, convolution, enlarging."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fine = nn.Conv2d(3, 8, 3, stride=4, padding=1)
        self.coarse = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        fine = self.fine(images.permute(0, 3, 1, 2).float() / 255)
        coarse = nn.functional.interpolate(
            self.coarse(fine), size=fine.shape[-2:], mode="bilinear", align_corners=False
        )
        return torch.cat([fine, coarse], dim=1).permute(0, 2, 3, 1)


@pytest.fixture(scope="module")
def graph() -> nn.Module:
    return SmallGraph().eval()


@pytest.fixture(scope="module")
def converted(graph: nn.Module) -> openvino.Model:
    return openvino_runtime.convert(graph, HEIGHT, WIDTH)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_the_same_graph_gives_the_same_bytes(graph: nn.Module, tmp_path: Path) -> None:
    files = [tmp_path / "first.xml", tmp_path / "again.xml"]

    for file in files:
        openvino_runtime.write(openvino_runtime.convert(graph, HEIGHT, WIDTH), file)

    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].with_suffix(".bin").read_bytes() == files[1].with_suffix(".bin").read_bytes()


#: Loads a graph twice, unloads both, and is sent a signal.
UNLOADED = """
import os, signal, sys
from models.runtime.openvino_runtime import OpenVinoRuntime, read

first, second = (OpenVinoRuntime(read(sys.argv[1]), threads=1) for _ in range(2))
del first
del second
signal.signal(signal.SIGTERM, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_process_that_unloaded_its_graphs_survives_a_signal(
    converted: openvino.Model, tmp_path: Path
) -> None:
    file = tmp_path / "graph.xml"
    openvino_runtime.write(converted, file)

    done = subprocess.run(
        [sys.executable, "-c", UNLOADED, file],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_both_runtimes_agree_for_any_number_of_images(
    count: int, threads: int, graph: nn.Module, converted: openvino.Model
) -> None:
    batch = images(count)

    ours = OpenVinoRuntime(converted, threads=threads).run(batch)[0]

    assert ours.shape == (count, 8, 12, 16)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, TorchRuntime(graph).run(batch)[0], atol=1e-5)


def test_a_result_survives_the_next_run(converted: openvino.Model) -> None:
    runtime = OpenVinoRuntime(converted, threads=1)
    first = runtime.run(images(1))[0]
    before = first.copy()

    runtime.run(images(2)[:1])

    np.testing.assert_array_equal(first, before)


def test_a_view_with_gaps_is_taken(converted: openvino.Model, graph: nn.Module) -> None:
    mirrored = images(2)[:, :, ::-1]

    ours = OpenVinoRuntime(converted, threads=1).run(mirrored)[0]

    expected = TorchRuntime(graph).run(np.ascontiguousarray(mirrored))[0]
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_a_stored_graph_keeps_its_precision(converted: openvino.Model, tmp_path: Path) -> None:
    openvino_runtime.write(converted, tmp_path / "graph.xml")

    stored = openvino_runtime.read(tmp_path / "graph.xml")

    batch = images(2)
    # Storing folds constants, which moves the last bits; half precision would move results by 1e-4.
    np.testing.assert_allclose(
        OpenVinoRuntime(stored, threads=1).run(batch)[0],
        OpenVinoRuntime(converted, threads=1).run(batch)[0],
        atol=1e-6,
    )


@pytest.mark.parametrize("content", [None, b"", b"<net><broken"])
def test_a_file_that_is_no_graph_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "graph.xml").write_bytes(content)

    with pytest.raises(ArtifactError, match=r"OpenVINO cannot read .*graph\.xml"):
        openvino_runtime.read(tmp_path / "graph.xml")


def test_a_folder_that_cannot_be_written_to_is_named(
    converted: openvino.Model, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ArtifactError, match="OpenVINO cannot write"):
        openvino_runtime.write(converted, tmp_path / "file" / "graph.xml")


def test_half_precision_leaves_out_what_must_keep_its_digits() -> None:
    exact = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    exact.full_precision = True
    before = [value.clone() for value in exact.state_dict().values()]
    whole = nn.Sequential(SmallGraph(), exact)

    halve(whole)

    assert {value.dtype for value in whole[0].state_dict().values()} == {torch.float16}
    for value, was in zip(exact.state_dict().values(), before, strict=True):
        assert value.dtype == was.dtype
        assert torch.equal(value, was)


@pytest.mark.cuda
def test_half_precision_on_a_gpu_stays_within_a_hundredth(graph: nn.Module) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    batch = images(4)
    expected = TorchRuntime(graph).run(batch)[0]

    ours = TorchRuntime(SmallGraph().eval(), "cuda").run(batch)[0]

    np.testing.assert_allclose(ours, expected, atol=0.01)


@pytest.mark.cuda
def test_captured_on_a_gpu_any_batch_gives_its_numbers_and_keeps_them(graph: nn.Module) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    ours = TorchRuntime(SmallGraph().eval(), "cuda")
    batches = [images(count) for count in (64, 5, 1, 2, 33, 3, 64, 100, 1)]

    results = [ours.run(batch)[0] for batch in batches]

    for batch, result in zip(batches, results, strict=True):
        np.testing.assert_allclose(result, TorchRuntime(graph).run(batch)[0], atol=0.01)
