"""How far training patches are from the coreset, ours and one by plain greedy choice."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from bench.fitting import IMAGES, SOURCE, THREADS, write_images
from bench.results import write
from models.datasets import open_dataset
from models.embedder import create_embedder
from models.patchcore.coreset import greedy_coreset, random_projection, squared_distances
from models.patchcore.parameters import PatchCoreParameters
from models.runtime import choose_engine
from models.splitting import split_held_out
from models.training_data import training_images

WITHIN = 0.02


def main() -> None:
    """Choose both coresets of the same patches, and compare their covering radius."""
    parameters = PatchCoreParameters()
    embeddings = _embeddings(parameters)
    count = parameters.bank_size(len(embeddings))
    projection = random_projection(embeddings.shape[1], parameters.projection_width, seed=0)
    points = (embeddings - embeddings.mean(dim=0)) @ projection
    start = time.perf_counter()
    ours = greedy_coreset((points / points.std()).half(), count, seed=0)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    exact = _naive(points, count)
    naive_seconds = time.perf_counter() - start
    rows = {}
    for space, places in (("projected", points), ("embeddings", embeddings)):
        radii = [_radius(places, places[chosen]) for chosen in (ours, exact)]
        rows[f"covering radius, {space}"] = f"{radii[0]:.3f}"
        rows[f"the same, exact greedy, {space}"] = f"{radii[1]:.3f}"
        rows[f"ratio, {space}"] = f"{radii[0] / radii[1]:.4f} (wanted: at most {1 + WITHIN})"
    rows["time of the choice"] = f"{seconds:.1f} s, {naive_seconds / seconds:.1f} times as fast"
    write(
        "covering",
        "The largest distance of a training patch to the coreset, which decides what PatchCore "
        "calls normal. Exact greedy chooses in 32-bit floats, all distances anew for every choice.",
        f"{count} of {len(embeddings)} patches, {IMAGES} images of {SOURCE} without those held "
        f"out, tf_efficientnet_lite0, 256 px, projected to {parameters.projection_width} "
        f"dimensions, {THREADS} threads, seed 0",
        rows,
    )


def _embeddings(parameters: PatchCoreParameters) -> torch.Tensor:
    """(N, D) of the training images."""
    embedder, _ = create_embedder(parameters.embedding(), choose_engine("cpu", "openvino", THREADS))
    with tempfile.TemporaryDirectory(prefix="linewatch-covering-") as folder:
        write_images(Path(folder), IMAGES, 256)
        fitted, _ = split_held_out(open_dataset(folder).train, 0)
        images = training_images(fitted, *parameters.input_size)
        parts = [embedder.embed(batch) for batch in images.batches()]
    flat = np.concatenate(parts)
    return torch.from_numpy(flat.reshape(-1, flat.shape[-1]))


def _naive(points: torch.Tensor, count: int) -> torch.Tensor:
    """Greedy k-centre as it is written: same start, one choice after the other."""
    start = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:10]
    distances = squared_distances(points, points[start]).sqrt().mean(dim=1).square()
    chosen = []
    for _ in range(count):
        farthest = int(distances.argmax())
        chosen.append(farthest)
        new = squared_distances(points, points[farthest : farthest + 1])[:, 0]
        distances = torch.minimum(distances, new)
    return torch.tensor(chosen)


def _radius(points: torch.Tensor, centres: torch.Tensor) -> float:
    blocks = points.split(4096)
    return max(float(squared_distances(b, centres).amin(dim=1).max()) for b in blocks) ** 0.5
