"""PatchCore a second time, written apart from `models.patchcore`: straightforward and slow.

Features by timm in eager torch, a greedy coreset that visits every patch for every choice, and a
search that measures every distance in float64. Only the list of images and the pretrained weights
come from the program; resizing, features, randomness and arithmetic are its own.

Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import timm
import torch
import torch.nn.functional as F

from models.datasets import open_dataset
from models.memory import peak_rss_mib
from models.metrics import image_auroc
from models.splitting import split_held_out
from models.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.runs import Run
    from models.datasets import Sample

BACKBONE = "tf_efficientnet_lite0"
SIZE = 256
STRIDES = (8, 16)
WIDTH = 128


def run_reference(run: Run) -> dict[str, Any]:
    """Fit on the images that a detector with this seed is fitted on, and score all test images.

    Settings: `bank_limit` and `coreset_fraction`, as PatchCore's. The choice is greedy, so a
    smaller coreset is the beginning of a larger one.
    """
    torch.set_num_threads(run.threads)
    settings = dict(run.settings)
    dataset = open_dataset(run.data)
    fitted, _ = split_held_out(dataset.train, run.seed)
    started = time.perf_counter()
    features = Features()
    patches = np.concatenate([features.of(sample) for sample in fitted])  # (N, D)
    shares = (settings["coreset_fraction"], *run.smaller_coresets)
    counts = [min(int(len(patches) * share), settings["bank_limit"]) for share in shares]
    rng = np.random.default_rng(run.seed)
    bank = patches[greedy(project(patches, rng), max(counts), rng)]
    seconds = time.perf_counter() - started
    scores = np.array([_scores(features.of(s), bank, counts) for s in dataset.test])
    return {
        "trained": {"fit_seconds": round(seconds, 1), "peak_rss_mib": round(peak_rss_mib(), 1)},
        "measured": {
            name: _measured(dataset.test, scores[:, column])
            for column, name in enumerate(("", *map(str, run.smaller_coresets)))
        },
    }


def _scores(
    patches: NDArray[np.float32], bank: NDArray[np.float32], counts: Sequence[int]
) -> list[float]:
    """An image's score with the first so many patches of the bank, for each count."""
    return [float(distances(patches, bank[:count]).max()) for count in counts]


def _measured(samples: Sequence[Sample], scores: NDArray[np.float64]) -> dict[str, Any]:
    is_anomalous = np.array([sample.is_anomalous for sample in samples])
    return {
        "report": {"image_auroc": image_auroc(scores, is_anomalous)},
        "scores": {
            s.name: [s.defect, score] for s, score in zip(samples, scores.tolist(), strict=True)
        },
    }


class Features:
    """Patch embeddings: 3 x 3 means of two levels, side by side."""

    def __init__(self) -> None:
        """Take the levels of timm's own feature extractor."""
        classifier: Any = timm.create_model(BACKBONE)
        load_weights(BACKBONE, classifier)
        net: Any = timm.create_model(BACKBONE, features_only=True)
        # The extractor has no head; everything it has must come from the classifier.
        assert not net.load_state_dict(classifier.state_dict(), strict=False).missing_keys
        self._net = net.eval()
        self._levels = [net.feature_info.reduction().index(stride) for stride in STRIDES]
        config = classifier.pretrained_cfg
        self._mean = torch.tensor(config["mean"]).view(3, 1, 1)
        self._std = torch.tensor(config["std"]).view(3, 1, 1)

    @torch.inference_mode()
    def of(self, sample: Sample) -> NDArray[np.float32]:
        """(patches, D), row by row of the finer level."""
        image = sample.image()
        area = cv2.INTER_AREA if image.shape[0] * image.shape[1] > SIZE**2 else cv2.INTER_LINEAR
        pixels = torch.from_numpy(cv2.resize(image, (SIZE, SIZE), interpolation=area))
        normalised = (pixels.permute(2, 0, 1) / 255 - self._mean) / self._std
        levels = self._net(normalised[None])
        fine, coarse = (F.avg_pool2d(levels[i], 3, 1, padding=1) for i in self._levels)
        coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        joined = torch.cat([fine, coarse], dim=1)[0]  # (D, h, w)
        patches: NDArray[np.float32] = joined.flatten(1).T.numpy()
        return np.ascontiguousarray(patches)


def project(patches: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Fewer dimensions for the choice: a Gaussian projection of the centred patches."""
    matrix = rng.normal(size=(patches.shape[1], WIDTH)).astype(np.float32)
    projected: NDArray[np.float32] = (patches - patches.mean(axis=0)) @ matrix
    return projected


def greedy(points: NDArray[np.float32], count: int, rng: np.random.Generator) -> Sequence[int]:
    """k-centre: from a random point on, always the farthest from all chosen before."""
    squares = np.einsum("nd,nd->n", points, points)
    nearest = np.full(len(points), np.inf, np.float32)
    chosen = [int(rng.integers(len(points)))]
    while len(chosen) < count:
        last = chosen[-1]
        nearest = np.minimum(nearest, squares + squares[last] - 2 * (points @ points[last]))
        chosen.append(int(nearest.argmax()))
    return chosen


def distances(patches: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared distance of each patch to the nearest of the bank, in float64."""
    left, right = patches.astype(np.float64), bank.astype(np.float64)
    products = left @ right.T
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * products
    smallest: NDArray[np.float64] = squares.min(axis=1)
    return smallest
